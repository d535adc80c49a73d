"""The named benchmarks: a source of images and the shape of an episode.

A benchmark's protocol is in `bench.presets`; its published numbers are in `bench/claims`.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.errors import unknown

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Benchmark:
    """What an episode of this benchmark looks like.

    `image_shape` is [channels, height, width]. `rotations`: each class of an episode is turned by one random
    multiple of 90 degrees. `classes`: only the first so many classes of every split, or None for all.
    """

    name: str
    source: str
    ways: int
    shots: int
    image_shape: tuple[int, int, int]
    rotations: bool = False
    classes: int | None = None


def _omniglot(ways: int, shots: int) -> Benchmark:
    return Benchmark(f"omniglot-{ways}w{shots}s", "omniglot", ways, shots, (1, 28, 28), rotations=True)


def _mini_imagenet(shots: int) -> Benchmark:
    return Benchmark(f"miniimagenet-5w{shots}s", "mini-imagenet", 5, shots, (3, 84, 84))


BENCHMARKS: dict[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (
        *(_omniglot(ways, shots) for ways in (5, 20) for shots in (1, 5)),
        *(_mini_imagenet(shots) for shots in (1, 5)),
        Benchmark("tiny", "omniglot", 5, 1, (1, 28, 28), rotations=True, classes=20),
    )
}


def get(name: str) -> Benchmark:
    """The benchmark of that name. Raises UserError, with a suggestion, where there is none."""
    if name not in BENCHMARKS:
        raise unknown("benchmark", name, BENCHMARKS)
    return BENCHMARKS[name]
