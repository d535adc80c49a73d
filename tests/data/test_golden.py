"""The episode streams of the built-in benchmarks, pinned: whoever runs them, anywhere, meets these images."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import benchmarks, episodes, presets
from bench.data import store

# SHA-256 over the first test episodes under `paper`, its first 16 digits.
OMNIGLOT = {
    "omniglot-5w1s": "7cc811f85a8496df",
    "omniglot-5w5s": "143f1ca968b23229",
    "omniglot-20w1s": "8be058fe4a6a2f2f",
    "omniglot-20w5s": "c435e14f675c2160",
    "tiny": "74a4bd66409e4cb9",
}
MINI_IMAGENET = {"miniimagenet-5w1s": "103f17036e40e4e1", "miniimagenet-5w5s": "93e7f3418f89ca4e"}


def digest(name: str, home: Path) -> str:
    benchmark = benchmarks.get(name)
    queries = presets.paper(benchmark).evaluation.queries
    images = store.load(benchmark.source, home, "nearest")
    return episodes.digest(benchmark, images, "test", episodes.EVALUATION_SEED, queries)[:16]


@pytest.mark.parametrize("name", OMNIGLOT)
def test_omniglot(name: str, data_dir: Path) -> None:
    assert digest(name, data_dir) == OMNIGLOT[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", MINI_IMAGENET)
def test_mini_imagenet(name: str, prepared_mini_imagenet: Path) -> None:
    assert digest(name, prepared_mini_imagenet) == MINI_IMAGENET[name]


def test_every_benchmark_is_pinned() -> None:
    assert set(OMNIGLOT) | set(MINI_IMAGENET) == set(benchmarks.BENCHMARKS)
