"""Omniglot in the split of Vinyals et al., and with white paper as 1."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.data import benchmark_data, store
from bench.data.omniglot_variants import by_alphabet
from bench.protocols import presets
from bench.protocols.benchmarks import get
from bench.protocols.presets import paper
from bench.protocols.protocol import Protocol
from bench.protocols.settings import with_settings
from bench.training.workload import NamedMethod, Workload
from tests.conftest import Command, one_line

CPU = torch.device("cpu")


def asked(*settings: str) -> Protocol:
    return with_settings(paper(get("omniglot-5w1s")), settings)


def test_the_split_by_alphabet(data_dir: Path) -> None:
    random, vinyals = store.load("omniglot", data_dir), by_alphabet(store.load("omniglot", data_dir))
    assert Counter(c.split for c in vinyals.classes) == {"train": 1028, "valid": 172, "test": 423}
    alphabets = {split: {c.name.split("/")[1] for c in vinyals.split(split)} for split in ("train", "valid", "test")}
    assert {split: len(names) for split, names in alphabets.items()} == {"train": 33, "valid": 5, "test": 13}
    assert alphabets["train"] & alphabets["test"] == {"Gurmukhi"} and not alphabets["valid"] & alphabets["test"]
    before = {c.name: random.images[c.offset : c.offset + c.count] for c in random.classes}
    for c in vinyals.classes:
        np.testing.assert_array_equal(vinyals.images[c.offset : c.offset + c.count], before[c.name])
        assert c.count == 20
    for split in alphabets:  # contiguous, as streams read it
        places = [c.offset for c in vinyals.split(split)]
        assert places == list(range(places[0], places[0] + 20 * len(places), 20))


def test_paper_is_one(data_dir: Path) -> None:
    ink, inverted = (
        benchmark_data.load(get("omniglot-5w1s"), asked(*settings).training, data_dir)
        for settings in ((), ("ones=paper", "split=vinyals"))
    )
    assert ink.images.mean() < 64 and inverted.images.mean() > 192
    assert sum(c.split == "valid" for c in inverted.classes) == 172 and inverted.images.dtype == np.uint8


def test_validation_s_classes_are_trained_on_where_that_is_asked(data_dir: Path) -> None:
    """The training classes, followed by the validation classes, each with its own images."""
    benchmark, protocol = get("omniglot-5w1s"), presets.preset("snell", get("omniglot-5w1s"))
    data = benchmark_data.load(benchmark, protocol.training, data_dir)
    work = Workload(benchmark=benchmark, method=NamedMethod("protonet"), protocol=protocol, data=data, device=CPU)
    stream = work.stream("train")
    assert [c.split for c in stream.classes] == 1028 * ["train"] + 172 * ["valid"] and stream.class_count == 4800
    last = stream.classes[-1]
    assert len(stream._pixels) == 24_000
    np.testing.assert_array_equal(stream._pixels[-20:, 0], data.images[last.offset : last.offset + 20, ..., 0])
    drawn = stream.draw(0, 200)
    assert int(drawn.classes.max()) >= 4 * 1028 and {c.split for c in work.stream("test").classes} == {"test"}


@pytest.mark.parametrize("setting", ["split=vinyals", "ones=paper", "resize=lanczos"])
def test_other_data_have_no_such_variant(typed: Command, setting: str) -> None:
    refused = typed("run", "--benchmark", "sinusoid-5s", "--method", "maml", "--set", setting)
    assert "only Omniglot has this variant" in one_line(refused)


def test_run_and_verified(typed: Command) -> None:
    settings = ("split=vinyals", "ones=paper", "rotations=classes", "evaluation.rotations=upright")
    words = [word for setting in settings for word in ("--set", setting)]
    made = typed("run", "--benchmark", "tiny", "--method", "maml", "--method", "finetune", "--iterations", "2", *words)
    assert made.returncode == 0, made.stderr
    verified = typed("verify", "--all")
    assert verified.returncode == 0 and verified.stdout.count("episodes as recorded") == 2
    assert "split=vinyals, ones=paper, rotations=classes, evaluation.rotations=upright" in typed("report").stdout
