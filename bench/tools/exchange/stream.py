"""Other people's code on our episodes: what they are, handed out, and what it predicted, scored.

A stream's name, such as `tiny/test/600x1/<64 digits>`, says all: benchmark, split, episodes x queries a class, and the
digest of the content of its beginning, which records hold too. Predictions carry it, and are scored on no other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from bench.data import store
from bench.data.images import ImageSet
from bench.episodes import streams
from bench.episodes.sampling import EVALUATION_SEED
from bench.errors import UserError, unknown
from bench.protocols import presets
from bench.protocols.benchmarks import IMAGES, SPLITS, Benchmark

_NAME = re.compile(r"([A-Za-z0-9._-]{1,80})/(train|valid|test)/(\d{1,6})x(\d{1,4})/([0-9a-f]{64})", re.ASCII)
_MOST_EPISODES = 10**6 - 1  # in six digits


@dataclass(frozen=True)
class Stream:
    """The first `episodes` of one split, under the one seed that all methods are evaluated with, or, of the training
    split, under training seed 0."""

    benchmark: Benchmark
    data: ImageSet
    split: str
    episodes: int
    queries: int

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the content of the first episodes, as in a record."""
        return streams.digest(self.benchmark, self.data, self.split, EVALUATION_SEED, self.queries)

    @property
    def name(self) -> str:
        """What predictions carry."""
        return f"{self.benchmark.name}/{self.split}/{self.episodes}x{self.queries}/{self.digest}"

    @property
    def labels(self) -> np.ndarray:
        """[queries of an episode]: the label of every query image, the same in all episodes."""
        return np.repeat(np.arange(self.benchmark.ways), self.queries)


def stream(name: str, split: str, episodes: int, queries: int | None, data_dir: Path | None) -> Stream:
    """The stream of a benchmark; `queries` None: the paper's. Raises UserError."""
    benchmark = store.benchmark(name, data_dir)
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    if benchmark.form != IMAGES:
        raise UserError(f"--benchmark {benchmark.name}: only episodes of images are handed out, and it has none")
    if not 2 <= episodes <= _MOST_EPISODES:
        raise UserError(f"--episodes {episodes}: at least 2 are needed for an interval, and {_MOST_EPISODES} at most")
    paper = presets.paper(benchmark)
    data = streams.load(benchmark, paper.training, data_dir)
    assert isinstance(data, ImageSet)
    part = paper.training if split == "train" else paper.evaluation
    found = Stream(benchmark, data, split, episodes, queries or part.queries)
    streams.check(benchmark, data, split, found.queries)
    return found


def named(name: str, data_dir: Path | None) -> Stream:
    """The stream that predictions name. Raises UserError where the data here give other episodes."""
    parts = _NAME.fullmatch(name)
    if parts is None:
        raise UserError(f"stream {name[:80]!r} is none: copy `stream` from the manifest of the exported episodes")
    benchmark, split, episodes, queries, digest = parts.groups()
    if split != "test":
        raise UserError(f"stream {benchmark}/{split}: only predictions for test episodes are scored")
    if int(queries) < 1:
        raise UserError(f"stream {name[:80]!r}: at least 1 query a class is needed")
    found = stream(benchmark, split, int(episodes), int(queries), data_dir)
    if found.digest != digest:
        raise UserError(
            f"stream {benchmark}: predicted for other episodes ({digest}, here {found.digest}): the data "
            "differ, or the name was changed"
        )
    return found


def only_of(found: Stream, benchmark: str | None) -> Stream:
    """The same. Raises UserError where a user said that it is another benchmark's."""
    if benchmark is not None and benchmark != found.benchmark.name:
        raise UserError(f"--benchmark {benchmark}: these predictions are for {found.benchmark.name}")
    return found
