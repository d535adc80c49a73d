"""Which images stand in which episode: episode i is a pure function of (benchmark, split, seed, i).

The raw stream of NumPy's Philox generator, keyed by a hash of those names and positioned by its counter, is read
through bounded draws of our own, because only the raw stream is promised to stay the same between versions of NumPy.
There is no state: any episode can be drawn at any time, in any process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from bench.data.images import ImageClass, ImageSet
from bench.errors import UserError
from bench.protocols.benchmarks import Benchmark

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
    ways, images_of_class = benchmark.ways, benchmark.shots + queries
    drawn = raw(benchmark, split, seed, first, count, ways * (2 + images_of_class))
    # Classes first, then turns, then the images by rank and class: more queries only lengthen the list.
    chosen = _distinct(drawn[:, :ways], len(classes))
    turns = _bounded(drawn[:, ways : 2 * ways], 4) if benchmark.rotations else np.zeros_like(chosen)
    by_class = drawn[:, 2 * ways :].reshape(count, images_of_class, ways).swapaxes(1, 2)
    offsets, sizes = (np.array([getattr(c, name) for c in classes]) for name in ("offset", "distinct"))
    return Draw(chosen, turns, offsets[chosen][..., None] + _distinct(by_class, sizes[chosen]))


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


def _distinct(raw: np.ndarray, size: int | np.ndarray) -> np.ndarray:
    """int64 [..., places]: the first places of a Fisher-Yates shuffle of `range(size)`, one for each row [...] of raw
    values, without building it: `others` are the places that were swapped with 0, 1, ..., and `values` what came
    there."""
    others = [place + _bounded(raw[..., place], size - place) for place in range(raw.shape[-1])]
    values: list[np.ndarray] = []

    def at(position: np.ndarray) -> np.ndarray:
        found = position
        for other, value in zip(others, values, strict=False):  # later swaps overwrite earlier ones
            found = np.where(other == position, value, found)
        return found

    picks = []
    for place, other in enumerate(others):
        picks.append(at(other))
        values.append(at(np.full_like(other, place)))
    return np.stack(picks, axis=-1)


def _bounded(raw: np.ndarray, size: int | np.ndarray) -> np.ndarray:
    """int64, uniform in [0, size) from 64 raw bits, sizes below 2**32: the upper half of a product of 128 bits, taken
    in two steps of 32. The bias is below size / 2**64."""
    size, half = np.asarray(size, dtype=np.uint64), np.uint64(32)
    lower = (raw & np.uint64(2**32 - 1)) * size >> half
    return ((raw >> half) * size + lower >> half).astype(np.int64)


def _bounded_array(raw: np.ndarray, size: int) -> np.ndarray:
    """The same for sizes below 2**32, from the upper 32 bits; the bias is below size / 2**32."""
    return ((raw >> np.uint64(32)) * np.uint64(size) >> np.uint64(32)).astype(np.int64)
