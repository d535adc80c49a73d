"""The episode streams of the built-in benchmarks, pinned: whoever draws them, anywhere, meets these images.

`golden.json` holds, a benchmark, the digest of its data and two digests a stream: `indices`, which need no images, and
`content`, which for episodes is what every record holds as its `episodes_digest` under `paper`. To pin a new benchmark:

    python -m bench.golden --data-dir DIR
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench import episodes, presets
from bench.benchmarks import BENCHMARKS, SPLITS, Benchmark
from bench.data import catalogue, store
from bench.data.images import ImageClass, ImageSet
from bench.data.splits import read_split
from bench.errors import UserError
from bench.records import write_json

PINNED = Path(__file__).with_name("golden.json")
SEEDS = (0, 1)
STREAMS = (*(f"train/{seed}" for seed in SEEDS), "valid/0", "test/0", *(f"images/{seed}" for seed in SEEDS))
_EPISODES, _BATCHES, _BATCH = 64, 16, 64
_QUERIES = 12  # with 5 shots nearly all of a character's different drawings; fewer queries are the first of these
_REPEATS = {"n02091831": 1}  # byte-identical images within a class of miniImageNet, which are never drawn


def pinned() -> dict[str, Any]:
    """Benchmark -> {"data": digest, "indices": {stream: digest}, "content": {stream: digest}}."""
    return json.loads(PINNED.read_text())


def layout(source: str, images: ImageSet | None) -> tuple[ImageClass, ...]:
    """The classes of the known copy: those of `images`, or, of miniImageNet, as its split file and its repeats say."""
    if images is not None:
        return images.classes
    data_set = catalogue.get(source)
    count = data_set.per_class
    ordered = sorted(read_split(data_set.split).items(), key=lambda pair: (SPLITS.index(pair[1]), pair[0]))
    return tuple(
        ImageClass(name, split, place * count, count, count - _REPEATS.get(name, 0))
        for place, (name, split) in enumerate(ordered)
    )


def indices(benchmark: Benchmark, classes: Sequence[ImageClass], stream: str) -> str:
    """SHA-256 over the numbers that a stream's beginning consists of: classes, turns and images, in little-endian."""
    kind, seed = stream.split("/")
    split = "train" if kind == "images" else kind
    own = [c for c in classes if c.split == split][: benchmark.classes]
    if kind == "images":
        parts = episodes.draw_images(benchmark, own, int(seed), 0, _BATCHES, _BATCH)
    else:
        drawn = episodes.draw(benchmark, own, split, int(seed), 0, _EPISODES, _QUERIES)
        parts = (drawn.classes, drawn.turns, drawn.images)
    return hashlib.sha256(b"".join(part.astype("<i8").tobytes() for part in parts)).hexdigest()


def content(benchmark: Benchmark, images: ImageSet, stream: str) -> str:
    """SHA-256 over the images that a stream's beginning consists of."""
    kind, seed = stream.split("/")
    if kind != "images":
        paper = presets.paper(benchmark)
        queries = (paper.training if kind == "train" else paper.evaluation).queries
        return episodes.digest(benchmark, images, kind, int(seed), queries)
    own = episodes.classes_of(benchmark, images, "train")
    chosen, _ = episodes.draw_images(benchmark, own, int(seed), 0, 1, _BATCH)
    return hashlib.sha256(np.ascontiguousarray(images.images[chosen[0]]).tobytes()).hexdigest()


def verify(data_dir: Path | None = None) -> list[dict[str, Any]]:
    """Every built-in benchmark's streams, drawn again: `benchmark`, `ok`, `complete` (with the images), a `line`."""
    return [_verified(benchmark, pinned().get(benchmark.name), data_dir) for benchmark in BENCHMARKS.values()]


def _verified(benchmark: Benchmark, expected: dict[str, Any] | None, data_dir: Path | None) -> dict[str, Any]:
    def found(ok: bool, complete: bool, text: str) -> dict[str, Any]:
        line = f"episodes of {benchmark.name}: {text}"
        return {"benchmark": benchmark.name, "ok": ok, "complete": complete, "line": line}

    if expected is None:
        return found(False, False, "not pinned: `python -m bench.golden` pins them")
    images = _images(benchmark, data_dir, expected["data"])
    classes = layout(benchmark.source, images)
    wrong = _wrong(expected["indices"], lambda stream: indices(benchmark, classes, stream))
    if images is not None:
        wrong += _wrong(expected["content"], lambda stream: content(benchmark, images, stream))
    if wrong:
        return found(False, images is not None, f"not as pinned: {', '.join(dict.fromkeys(wrong))}")
    without = "" if images is not None else ", by their indices; the images of the known copy are not here"
    return found(True, images is not None, f"{len(STREAMS)} streams as pinned{without}")


def _images(benchmark: Benchmark, data_dir: Path | None, digest: str) -> ImageSet | None:
    """The known copy of the images, where it is here; what is damaged is for `data verify` to say."""
    try:
        images = store.load(benchmark.source, data_dir)
    except UserError:
        return None
    return images if images.digest == digest else None


def _wrong(expected: dict[str, str], found: Callable[[str], str]) -> list[str]:
    return [stream for stream in STREAMS if expected.get(stream) != found(stream)]


def _pin(benchmark: Benchmark, images: ImageSet) -> dict[str, Any]:
    classes = layout(benchmark.source, images)
    return {
        "data": images.digest,
        "indices": {stream: indices(benchmark, classes, stream) for stream in STREAMS},
        "content": {stream: content(benchmark, images, stream) for stream in STREAMS},
    }


def main() -> None:
    """Adds to `golden.json` what is not pinned yet; what is pinned stays."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path)
    data_dir, known = parser.parse_args().data_dir, pinned() if PINNED.exists() else {}
    new = [benchmark for name, benchmark in BENCHMARKS.items() if name not in known]
    write_json(PINNED, known | {b.name: _pin(b, store.load(b.source, data_dir)) for b in new})


if __name__ == "__main__":
    main()
