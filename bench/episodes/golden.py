"""Digests of the episode streams of the built-in benchmarks, which must be the same everywhere.

`golden.json` holds, for each benchmark, the digest of its data and two digests per stream: `content`, which for
episodes is the `episodes_digest` of every record under `paper`, and for images also `indices`, which can be checked
without the images. To add a new benchmark:

    python -m bench.episodes.golden --data-dir DIR
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from bench.data import benchmark_data, catalogue
from bench.data.images import ImageClass, ImageSet
from bench.data.splits import read_split
from bench.episodes.images import ImageEpisodes
from bench.episodes.stream import Data, EpisodeStream
from bench.episodes.streams import stream as episode_stream
from bench.errors import UserError
from bench.files import write_json
from bench.protocols import presets
from bench.protocols.benchmarks import BENCHMARKS, FUNCTIONS, SPLITS, Benchmark, EpisodeShape

PINNED = Path(__file__).with_name("golden.json")
EPISODES = ("train/0", "train/1", "valid/0", "test/0")  # split and seed
IMAGE_BATCHES = ("images/0", "images/1")  # training batches of methods that train on images
_EPISODES, _BATCHES, _BATCH = 64, 16, 64
_QUERIES = 12  # with 5 shots nearly all distinct drawings of a character; fewer queries are the first of these
_REPEATS = {"n02091831": 1}  # number of byte-identical copies within a class of miniImageNet; they are never drawn


def current_digests() -> dict[str, Any]:
    """Benchmark -> {"data": digest, "indices": {stream: digest}, "content": {stream: digest}}."""
    return json.loads(PINNED.read_text())


def streams_of(benchmark: Benchmark) -> tuple[str, ...]:
    """The names of a benchmark's pinned streams."""
    return EPISODES if benchmark.form == FUNCTIONS else EPISODES + IMAGE_BATCHES


def layout(source: str, images: Data | None) -> tuple[ImageClass, ...]:
    """The classes of the known copy: from `images`, or for miniImageNet from its split file and its number of
    copies."""
    if isinstance(images, ImageSet):
        return images.classes
    data_set = catalogue.get(source)
    assert data_set.per_class is not None, f"{source}: the number of images per class is not known"
    count = data_set.per_class[1]
    ordered = sorted(read_split(data_set.split).items(), key=lambda pair: (SPLITS.index(pair[1]), pair[0]))
    return tuple(
        ImageClass(name, split, place * count, count, count - _REPEATS.get(name, 0))
        for place, (name, split) in enumerate(ordered)
    )


def indices(benchmark: Benchmark, classes: Sequence[ImageClass], stream: str) -> str:
    """SHA-256 over the numbers that the first episodes of a stream consist of: classes, turns, images and the order of
    the queries, in little-endian."""
    without_images = ImageSet(benchmark.source, np.empty(0, np.uint8), tuple(classes), "")
    episodes = _episodes(benchmark, without_images, stream, benchmark.episode(_QUERIES))
    if stream in IMAGE_BATCHES:
        assert isinstance(episodes, ImageEpisodes)
        drawn = episodes.draw_images(0, _BATCHES, _BATCH)
        parts: tuple[Tensor, ...] = (drawn.images, drawn.classes)
    else:
        drawn = episodes.draw(0, _EPISODES)
        parts = (drawn.classes, drawn.turns, drawn.images, drawn.order)
    return hashlib.sha256(b"".join(part.numpy().astype("<i8").tobytes() for part in parts)).hexdigest()


def content(benchmark: Benchmark, data: Data, stream: str) -> str:
    """SHA-256 over the images, or points, that the first episodes of a stream consist of."""
    split = stream.replace("images", "train").split("/")[0]
    episodes = _episodes(benchmark, data, stream, presets.paper(benchmark).shape(split, benchmark))
    if stream in EPISODES:
        return episodes.digest
    assert isinstance(episodes, ImageEpisodes)
    chosen = episodes.draw_images(0, 1, _BATCH).images.flatten().numpy()
    return hashlib.sha256(np.ascontiguousarray(episodes.data.images[chosen]).tobytes()).hexdigest()


def _episodes(benchmark: Benchmark, data: Data, stream: str, shape: EpisodeShape) -> EpisodeStream:
    """The stream with this name; image batches are drawn from the training split's stream."""
    split, seed = stream.replace("images", "train").split("/")
    return episode_stream(benchmark, data, split, shape, int(seed))


def verify(data_dir: Path | None = None) -> list[dict[str, Any]]:
    """Draws every built-in benchmark's streams again: `benchmark`, `ok`, `complete` (its data are here), and a `line`
    of text."""
    known = current_digests()
    return [_verify(benchmark, known.get(benchmark.name), data_dir) for benchmark in BENCHMARKS.values()]


def _verify(benchmark: Benchmark, expected: dict[str, Any] | None, data_dir: Path | None) -> dict[str, Any]:
    data = _known_copy(benchmark, data_dir, expected["data"]) if expected else None
    about = {"benchmark": benchmark.name, "complete": data is not None}
    if expected is None:
        return about | {
            "ok": False,
            "line": f"episodes of {benchmark.name}: not pinned: `python -m bench.episodes.golden`",
        }
    found = _digests(benchmark, data)
    wrong = [
        stream
        for stream in streams_of(benchmark)
        if any(digests.get(stream) != expected[kind].get(stream) for kind, digests in found.items())
    ]
    without = "" if data is not None else ", by their indices; the images of the known copy are not here"
    outcome = f"{len(streams_of(benchmark))} streams as pinned{without}"
    text = f"not as pinned: {', '.join(wrong)}" if wrong else outcome
    return about | {"ok": not wrong, "line": f"episodes of {benchmark.name}: {text}"}


def _known_copy(benchmark: Benchmark, data_dir: Path | None, digest: str) -> Data | None:
    """The pinned data, if they are here; `data verify` reports damaged data."""
    try:
        data = benchmark_data.load(benchmark, presets.paper(benchmark).training, data_dir)
    except UserError:
        return None
    return data if data.digest == digest else None


def _digests(benchmark: Benchmark, data: Data | None) -> dict[str, dict[str, str]]:
    """Both kinds of digest by stream: `indices` for images, and `content` if the data are here."""
    found, names = {}, streams_of(benchmark)
    if benchmark.form != FUNCTIONS:
        classes = layout(benchmark.source, data)
        found["indices"] = {stream: indices(benchmark, classes, stream) for stream in names}
    if data is not None:
        found["content"] = {stream: content(benchmark, data, stream) for stream in names}
    return found


def _pin(benchmark: Benchmark, data_dir: Path | None) -> dict[str, Any]:
    data = benchmark_data.load(benchmark, presets.paper(benchmark).training, data_dir)
    return {"data": data.digest, **_digests(benchmark, data)}


def main() -> None:
    """Adds the digests that are missing from `golden.json`; existing ones stay."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path)
    data_dir, known = parser.parse_args().data_dir, current_digests() if PINNED.exists() else {}
    write_json(PINNED, {b.name: _pin(b, data_dir) for b in BENCHMARKS.values() if b.name not in known} | known)


if __name__ == "__main__":
    main()
