"""The named benchmarks: a source of data, the shape of an episode, and what is measured.

A benchmark's protocol is in `bench.presets`; its published numbers are in `bench/claims`.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.errors import unknown
from bench.measures import ACCURACY, SQUARED_ERROR, Measure

SPLITS = ("train", "valid", "test")
IMAGES, FUNCTIONS = "images", "functions"


@dataclass(frozen=True)
class Benchmark:
    """What an episode of this benchmark looks like.

    `form` says what an episode is made of: images of `ways` classes, or points of one function, which counts as one
    way. `input_shape` is that of one input, [channels, height, width] of an image. `rotations`: each class of an
    episode is turned by one random multiple of 90 degrees. `classes`: only the first so many classes of every split,
    or None for all. `steps`: the inner steps that have a row each in a report.
    """

    name: str
    source: str
    ways: int
    shots: int
    input_shape: tuple[int, ...]
    rotations: bool = False
    classes: int | None = None
    form: str = IMAGES
    measure: Measure = ACCURACY
    steps: tuple[int, ...] = ()

    @property
    def offers(self) -> tuple[str, ...]:
        """What a method may need of it (`methods.contract.NEEDS`)."""
        return ("functions", "parameters") if self.form == FUNCTIONS else ("classes",)

    @property
    def described(self) -> str:
        """The shape of an episode, such as `5 ways, 1 shots, 28x28x1`."""
        if self.form == FUNCTIONS:
            return f"{self.shots} shots, points of one function"
        channels, height, width = self.input_shape
        return f"{self.ways} ways, {self.shots} shots, {height}x{width}x{channels}"


def _omniglot(ways: int, shots: int) -> Benchmark:
    return Benchmark(f"omniglot-{ways}w{shots}s", "omniglot", ways, shots, (1, 28, 28), rotations=True)


def _mini_imagenet(shots: int) -> Benchmark:
    return Benchmark(f"miniimagenet-5w{shots}s", "mini-imagenet", 5, shots, (3, 84, 84))


def _sinusoid(shots: int) -> Benchmark:
    return Benchmark(
        f"sinusoid-{shots}s", "sinusoid", 1, shots, (1,), form=FUNCTIONS, measure=SQUARED_ERROR, steps=(0, 1, 5, 10)
    )


BENCHMARKS: dict[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (
        *(_omniglot(ways, shots) for ways in (5, 20) for shots in (1, 5)),
        *(_mini_imagenet(shots) for shots in (1, 5)),
        *(_sinusoid(shots) for shots in (5, 10)),
        Benchmark("tiny", "omniglot", 5, 1, (1, 28, 28), rotations=True, classes=20),
    )
}


def get(name: str) -> Benchmark:
    """The benchmark of that name. Raises UserError, with a suggestion, where there is none."""
    if name not in BENCHMARKS:
        raise unknown("benchmark", name, BENCHMARKS)
    return BENCHMARKS[name]
