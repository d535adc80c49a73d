"""The exported episode streams, by the names that predictions refer to.

The name, such as `tiny/test/600x1/<64 digits>`, identifies a stream completely: benchmark, split, episodes x queries
per class, and the digest of the first episodes, as in records. Predictions are scored on no other stream."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from bench.data import benchmark_data, store
from bench.episodes import streams
from bench.episodes.images import ImageEpisodes
from bench.errors import UserError, unknown_name
from bench.protocols import presets
from bench.protocols.benchmarks import IMAGES, SPLITS

_NAME = re.compile(r"([A-Za-z0-9._-]{1,80})/(train|valid|test)/(\d{1,6})x(\d{1,4})/([0-9a-f]{64})", re.ASCII)
_MOST_EPISODES = 10**6 - 1  # six digits


def name_of(stream: ImageEpisodes, episodes: int) -> str:
    """The name of the stream in predictions for the first `episodes` episodes."""
    return f"{stream.benchmark.name}/{stream.split}/{episodes}x{stream.shape.queries}/{stream.digest}"


def stream(name: str, split: str, episodes: int, queries: int | None, data_dir: Path | None) -> ImageEpisodes:
    """The stream of a benchmark, for the training split the one of seed 0, checked for this number of episodes.
    `queries` None: the paper's. Raises UserError."""
    benchmark = store.benchmark(name, data_dir)
    if split not in SPLITS:
        raise unknown_name("split", split, SPLITS)
    if benchmark.form != IMAGES:
        raise UserError(f"--benchmark {benchmark.name}: it has no images, and only episodes of images can be exported")
    if not 2 <= episodes <= _MOST_EPISODES:
        raise UserError(f"--episodes {episodes}: give 2 (which an interval needs) to {_MOST_EPISODES}")
    paper = presets.paper(benchmark)
    data = benchmark_data.load(benchmark, paper.training, data_dir)
    shape = paper.shape(split, benchmark)
    found = streams.stream(benchmark, data, split, shape._replace(queries=queries or shape.queries))
    assert isinstance(found, ImageEpisodes)
    found.check("--queries ")
    return found


def named_stream(name: str, data_dir: Path | None) -> tuple[ImageEpisodes, int]:
    """The stream that predictions name, and its number of episodes. Raises UserError if the data here give other
    episodes."""
    parts = _NAME.fullmatch(name)
    if parts is None:
        raise UserError(f"{name[:80]!r} is not a stream: copy `stream` from the manifest of the exported episodes")
    benchmark, split, episodes, queries, digest = parts.groups()
    if split != "test":
        raise UserError(f"stream {benchmark}/{split}: only predictions for test episodes are scored")
    if int(queries) < 1:
        raise UserError(f"stream {name[:80]!r}: it needs at least 1 query per class")
    found = stream(benchmark, split, int(episodes), int(queries), data_dir)
    if replace(found, by_class=True).digest == digest:
        raise UserError(f"stream {benchmark}: its queries were ordered by class, and no longer are: export it again")
    if found.digest != digest:
        raise UserError(
            f"stream {benchmark}: these predictions are for other episodes ({digest}, here {found.digest}): the data "
            "differ, or the stream's name was edited"
        )
    return found, int(episodes)


def check_benchmark(found: ImageEpisodes, benchmark: str | None) -> None:
    """Raises UserError unless the stream belongs to the benchmark that the user named, if any."""
    if benchmark is not None and benchmark != found.benchmark.name:
        raise UserError(f"--benchmark {benchmark}: these predictions are for {found.benchmark.name}")
