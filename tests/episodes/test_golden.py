"""The pinned episode streams of the built-in benchmarks: every run, anywhere, gets these images."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.data import store
from bench.data.sinusoids import SINUSOIDS
from bench.episodes import golden
from bench.episodes.images import ImageEpisodes
from bench.protocols import benchmarks, presets
from bench.training.batches import TrainingBatches
from tests.conftest import ROOT, Command

OMNIGLOT, MINI_IMAGENET, SINUSOID = (
    [name for name, benchmark in benchmarks.BENCHMARKS.items() if benchmark.source == source]
    for source in ("omniglot", "mini-imagenet", "sinusoid")
)
IMAGE_STREAMS = golden.EPISODES + golden.IMAGE_BATCHES
DEVICES = [
    "cpu",
    pytest.param("cuda", marks=[pytest.mark.cuda, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")]),
]


def test_every_benchmark_is_pinned() -> None:
    assert {*OMNIGLOT, *MINI_IMAGENET, *SINUSOID} == set(benchmarks.BENCHMARKS) == set(golden.current_digests())
    for name, expected in golden.current_digests().items():
        kinds = [expected[kind] for kind in ("indices", "content") if kind in expected]
        assert len(kinds) == (1 if name in SINUSOID else 2)
        assert all(set(digests) == set(golden.streams_of(benchmarks.get(name))) for digests in kinds)
        every = [digest for digests in kinds for digest in digests.values()]
        assert len(set(every)) == len(every) and all(len(digest) == 64 for digest in every)


@pytest.mark.parametrize("name", SINUSOID)
def test_sinusoid(name: str) -> None:
    expected = golden.current_digests()[name]
    assert SINUSOIDS.digest == expected["data"]
    for stream, digest in expected["content"].items():
        assert golden.content(benchmarks.get(name), SINUSOIDS, stream) == digest


@pytest.mark.parametrize("name", OMNIGLOT)
@pytest.mark.parametrize("stream", IMAGE_STREAMS)
def test_omniglot(name: str, stream: str, data_dir: Path) -> None:
    benchmark, expected = benchmarks.get(name), golden.current_digests()[name]
    images = store.load("omniglot", data_dir)
    assert images.digest == expected["data"]
    assert golden.indices(benchmark, images.classes, stream) == expected["indices"][stream]
    assert golden.content(benchmark, images, stream) == expected["content"][stream]


@pytest.mark.parametrize("name", MINI_IMAGENET)
@pytest.mark.parametrize("stream", IMAGE_STREAMS)
def test_mini_imagenet_without_its_images(name: str, stream: str) -> None:
    classes = golden.layout("mini-imagenet", None)
    assert golden.indices(benchmarks.get(name), classes, stream) == golden.current_digests()[name]["indices"][stream]


def test_nothing_of_the_process_moves_a_stream() -> None:
    """Another process, hash seed, global random state, number of threads, and order of streams."""
    code = (
        "import random, numpy, torch\n"
        "from bench.episodes import golden\n"
        "from bench.protocols import benchmarks\n"
        "random.seed(5); numpy.random.seed(5); torch.manual_seed(5); torch.set_num_threads(3)\n"
        "classes = golden.layout('mini-imagenet', None)\n"
        "for stream in golden.IMAGE_BATCHES + golden.EPISODES:\n"
        "    print(stream, golden.indices(benchmarks.get('miniimagenet-5w5s'), classes, stream))\n"
    )
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
        found = dict(line.split() for line in result.stdout.splitlines())
        assert found == golden.current_digests()["miniimagenet-5w5s"]["indices"], result.stderr


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("meta_batch", "seeds"), [(1, (0,)), (5, (1, 0)), (7, (0, 1, 2))])
def test_training_is_fed_the_stream(data_dir: Path, device: str, meta_batch: int, seeds: tuple[int, ...]) -> None:
    """For any meta-batch, number of seeds that train together and device, with and without drawing blocks ahead."""
    benchmark = benchmarks.get("tiny")
    images, where = store.load("omniglot", data_dir), torch.device(device)
    training = replace(presets.paper(benchmark).training, meta_batch=meta_batch, iterations=60)
    sources = [
        ImageEpisodes(benchmark, images, "train", seed, benchmark.episode(training.queries)).on(where) for seed in seeds
    ]
    random.seed(3), np.random.seed(3), torch.manual_seed(3)
    feed = TrainingBatches("episodes", training, sources)
    drawn = [feed.at(iteration) for iteration in reversed(range(40))][::-1]  # as a resumed run begins in the middle
    for place, source in enumerate(sources):
        whole = source.draw(0, 40 * meta_batch)
        for ours, theirs in zip(zip(*drawn, strict=True), whole, strict=True):
            assert torch.equal(torch.cat([part[place] for part in ours]).cpu(), theirs)


def test_data_verify_draws_them_again(
    typed: Command, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = typed("data", "verify")
    assert good.returncode == 0 and "episodes of tiny: 6 streams as pinned\n" in good.stdout
    assert "miniimagenet-5w5s: 6 streams as pinned, by their indices" in good.stdout
    wrong = golden.current_digests()
    wrong["tiny"]["content"]["valid/0"] = wrong["miniimagenet-5w1s"]["indices"]["images/1"] = "0" * 64
    del wrong["omniglot-5w1s"]
    (tmp_path / "golden.json").write_text(json.dumps(wrong))
    monkeypatch.setattr(golden, "PINNED", tmp_path / "golden.json")
    bad = typed("data", "verify")
    assert bad.returncode == 1
    assert "episodes of tiny: not as pinned: valid/0\n" in bad.stdout
    assert "episodes of miniimagenet-5w1s: not as pinned: images/1\n" in bad.stdout
    assert "episodes of omniglot-5w1s: not pinned" in bad.stdout
