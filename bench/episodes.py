"""Which images stand in which episode: episode i is a pure function of (benchmark, split, seed, i).

The raw stream of NumPy's Philox generator, keyed by a hash of those names and positioned by its counter, is read
through bounded draws of our own, because only the raw stream is promised to stay the same between versions of NumPy.
There is no state: any episode can be drawn at any time, in any process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from bench.benchmarks import Benchmark
from bench.data.images import ImageClass, ImageSet
from bench.errors import UserError

EVALUATION_SEED = 0  # validation and test episodes are the same for every training seed and every method
DIGEST_EPISODES = 16


@dataclass(frozen=True)
class Draw:
    """Episodes as indices, a row each.

    `classes` [episodes, ways] indexes the split's classes, and a class's column is its label; `turns` [episodes,
    ways] are multiples of 90 degrees; `images` [episodes, ways, shots + queries] indexes the image set, the support
    first.
    """

    classes: np.ndarray
    turns: np.ndarray
    images: np.ndarray


def classes_of(benchmark: Benchmark, images: ImageSet, split: str) -> tuple[ImageClass, ...]:
    """The classes that the benchmark uses of this split."""
    return images.split(split)[: benchmark.classes]


def check(benchmark: Benchmark, classes: Sequence[ImageClass], queries: int) -> None:
    """Raises UserError where the classes are too few, or have too few images, for such an episode."""
    if len(classes) < benchmark.ways:
        split = f"{classes[0].split} classes" if classes else "classes in a split"
        mend = f"take at most {len(classes)} ways, or add classes" if len(classes) > 1 else "add classes"
        raise UserError(f"{benchmark.name}: {benchmark.ways} ways, but the data have {len(classes)} {split}: {mend}")
    smallest = min(classes, key=lambda c: c.distinct)
    left = smallest.distinct - benchmark.shots
    if left < queries:
        mend = f"set queries to at most {left}" if left > 0 else "take fewer shots"
        raise UserError(
            f"{benchmark.name}: {benchmark.shots} shots + {queries} queries a class, but {smallest.name} has "
            f"{smallest.distinct} images: {mend}"
        )


def draw(
    benchmark: Benchmark, classes: Sequence[ImageClass], split: str, seed: int, first: int, count: int, queries: int
) -> Draw:
    """Episodes `first` .. `first + count - 1` of a split's stream."""
    size = benchmark.ways * (2 + benchmark.shots + queries)
    picks = [_one(benchmark, classes, row) for row in raw(benchmark, split, seed, first, count, size).tolist()]
    return Draw(*(np.array(part, dtype=np.int64) for part in zip(*picks, strict=True)))


def draw_images(
    benchmark: Benchmark, classes: Sequence[ImageClass], seed: int, first: int, count: int, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Batches of `size` images, drawn uniformly from the training classes: image and class indices, [count, size]."""
    drawn = raw(benchmark, "train", f"{seed}/images", first, count, size)
    ends = np.cumsum([c.distinct for c in classes])
    position = _bounded_array(drawn, int(ends[-1]))
    chosen = np.searchsorted(ends, position, side="right")
    starts = ends - [c.distinct for c in classes]
    offsets = np.array([c.offset for c in classes])
    return offsets[chosen] + position - starts[chosen], chosen


def digest(benchmark: Benchmark, images: ImageSet, split: str, seed: int, queries: int) -> str:
    """SHA-256 over the content of a stream's first episodes: image bytes, turns and order."""
    drawn = draw(benchmark, classes_of(benchmark, images, split), split, seed, 0, DIGEST_EPISODES, queries)
    total = hashlib.sha256()
    for episode, turns in zip(drawn.images, drawn.turns, strict=True):
        total.update(turns.astype("<i8").tobytes())
        total.update(np.ascontiguousarray(images.images[episode.ravel()]).tobytes())
    return total.hexdigest()


def raw(benchmark: Benchmark, split: str, seed: int | str, first: int, count: int, size: int) -> np.ndarray:
    """uint64 [count, size]: in the stream of these names, the first raw values of places `first` and after.

    A place is 2**64 values of the counter from the next: to go on is a third of the time that a new generator takes."""
    generator = np.random.Philox(key=_key(f"{benchmark.name}/{split}/{seed}"), counter=[0, first, 0, 0])
    drawn, to_the_next = np.empty((count, size), dtype=np.uint64), 2**64 - (size + 3) // 4
    for row in drawn:
        row[:] = generator.random_raw(size)
        generator.advance(to_the_next)
    return drawn


@cache
def _key(name: str) -> np.ndarray:
    return np.frombuffer(hashlib.sha256(name.encode()).digest()[:16], dtype="<u8").astype(np.uint64)


def _one(
    benchmark: Benchmark, classes: Sequence[ImageClass], raw: list[int]
) -> tuple[list[int], list[int], list[list[int]]]:
    """Classes first, then turns, then the images by rank and class: more queries only lengthen the list."""
    ways = benchmark.ways
    chosen = list(_distinct(raw[:ways], len(classes)))
    turns = [_bounded(value, 4) if benchmark.rotations else 0 for value in raw[ways : 2 * ways]]
    images = [
        [classes[c].offset + pick for pick in _distinct(raw[2 * ways + label :: ways], classes[c].distinct)]
        for label, c in enumerate(chosen)
    ]
    return chosen, turns, images


def _distinct(raw: Sequence[int], size: int) -> Iterator[int]:
    """The first places of a Fisher-Yates shuffle of `range(size)`, without building it."""
    moved: dict[int, int] = {}
    for place, value in enumerate(raw):
        other = place + _bounded(value, size - place)
        yield moved.get(other, other)
        moved[other] = moved.get(place, place)


def _bounded(raw: int, size: int) -> int:
    """Uniform in [0, size) from 64 raw bits; the bias is below size / 2**64."""
    return raw * size >> 64


def _bounded_array(raw: np.ndarray, size: int) -> np.ndarray:
    """The same for sizes below 2**32, from the upper 32 bits; the bias is below size / 2**32."""
    return ((raw >> np.uint64(32)) * np.uint64(size) >> np.uint64(32)).astype(np.int64)
