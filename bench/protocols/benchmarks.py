"""The named benchmarks: a source of data, the shape of an episode, and what is measured.

`<data set>-<ways>w<shots>s` is a benchmark for every data set, built in or a user's own, at any number of ways and
shots. `BENCHMARKS` are those that this project names. A benchmark's protocol is in `bench.protocols.presets`; its
published numbers are in `bench/analysis/published.csv`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from bench.errors import UserError, quantity, unknown_name
from bench.protocols.measures import ACCURACY, SQUARED_ERROR, Measure

SPLITS = ("train", "valid", "test")
IMAGES, FUNCTIONS = "images", "functions"
Shape = tuple[int, ...]
_NAME = re.compile(r"(?P<data>.+)-(?P<ways>[1-9]\d{0,3})w(?P<shots>[1-9]\d{0,3})s")


class EpisodeShape(NamedTuple):
    """The number of classes in an episode, and of support (`shots`) and query images per class. A function counts as
    one class, its points as images."""

    ways: int
    shots: int
    queries: int


@dataclass(frozen=True)
class Benchmark:
    """The episodes of a benchmark.

    `form`: images of `ways` classes, or points of one function, which counts as one way. `input_shape`: the shape of
    one input, [channels, height, width] for an image. `rotations`: each class of an episode is rotated by a random
    multiple of 90 degrees. `classes`: the number of classes used from each split, the first ones, or None for all.
    `steps`: the inner steps with a row of their own in a report."""

    name: str
    source: str
    ways: int
    shots: int
    input_shape: Shape
    rotations: bool = False
    classes: int | None = None
    form: str = IMAGES
    measure: Measure = ACCURACY
    steps: tuple[int, ...] = ()

    def episode(self, queries: int) -> EpisodeShape:
        """The shape of its episodes with this many queries per class."""
        return EpisodeShape(self.ways, self.shots, queries)

    def with_shape(self, ways: int | None, shots: int | None) -> Benchmark:
        """This benchmark with episodes of other ways and shots; None keeps its own."""
        return replace(self, ways=ways or self.ways, shots=shots or self.shots)

    @property
    def offers(self) -> tuple[str, ...]:
        """The properties that a method may need (`methods.contract.NEEDS`)."""
        return ("functions", "parameters") if self.form == FUNCTIONS else ("classes",)

    @property
    def described(self) -> str:
        """The shape of an episode, such as `5 ways, 1 shot, 28x28x1`."""
        if self.form == FUNCTIONS:
            return f"{quantity(self.shots, 'shot')}, points of one function"
        channels, height, width = self.input_shape
        return f"{quantity(self.ways, 'way')}, {quantity(self.shots, 'shot')}, {height}x{width}x{channels}"


# Prefix of a benchmark's name -> the data set's 5-way 1-shot benchmark; others differ in ways and shots.
BUILT_IN: dict[str, Benchmark] = {
    "omniglot": Benchmark("omniglot-5w1s", "omniglot", 5, 1, (1, 28, 28), rotations=True),
    "miniimagenet": Benchmark("miniimagenet-5w1s", "mini-imagenet", 5, 1, (3, 84, 84)),
    "cifarfs": Benchmark("cifarfs-5w1s", "cifar-fs", 5, 1, (3, 32, 32)),
    "fc100": Benchmark("fc100-5w1s", "fc100", 5, 1, (3, 32, 32)),
    "tieredimagenet": Benchmark("tieredimagenet-5w1s", "tiered-imagenet", 5, 1, (3, 84, 84)),
    "cub": Benchmark("cub-5w1s", "cub", 5, 1, (3, 84, 84)),
}


def _of(data: str, ways: int, shots: int) -> Benchmark:
    return replace(BUILT_IN[data], name=f"{data}-{ways}w{shots}s", ways=ways, shots=shots)


def _sinusoid(shots: int) -> Benchmark:
    return Benchmark(
        f"sinusoid-{shots}s", "sinusoid", 1, shots, (1,), form=FUNCTIONS, measure=SQUARED_ERROR, steps=(0, 1, 5, 10)
    )


FIRST = "miniimagenet-5w5s"  # the benchmark of the published 63.11
INCLUDED = "omniglot-5w1s"  # runs without adding data
BENCHMARKS: dict[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (
        *(_of("omniglot", ways, shots) for ways in (5, 20) for shots in (1, 5)),
        *(_of("miniimagenet", 5, shots) for shots in (1, 5)),
        *(_sinusoid(shots) for shots in (5, 10)),
        replace(BUILT_IN["omniglot"], name="tiny", classes=20),
    )
}


def get(name: str, own: Mapping[str, Shape] | None = None) -> Benchmark:
    """The benchmark with this name. `own`: name -> `input_shape`, for a user's own data sets.

    Raises UserError, with a suggestion, if there is none."""
    if name in BENCHMARKS:
        return BENCHMARKS[name]
    parts, own = _NAME.fullmatch(name), own or {}
    known = {**BUILT_IN, **{data: Benchmark(data, data, 5, 1, shape) for data, shape in own.items()}}
    if parts and parts["data"] in known:
        return replace(known[parts["data"]], name=name, ways=int(parts["ways"]), shots=int(parts["shots"]))
    raise _unknown_benchmark(name, known)


def of_evaluation(info: Mapping[str, Any], evaluated: Mapping[str, Any], name: str | None) -> Benchmark:
    """The benchmark of an evaluation: the record's, unless the evaluation has the `name` of another one."""
    return of_record(info if name is None else {"benchmark": name, "data": evaluated.get("data") or info["data"]})


def of_record(info: Mapping[str, Any]) -> Benchmark:
    """The benchmark of a record. The record has the shape of its images, so the data need not be here."""
    shape = info["data"].get("shape")
    if shape is None or info["benchmark"] in BENCHMARKS:
        return get(info["benchmark"])
    if not (isinstance(shape, list) and len(shape) == 3 and all(type(n) is int and n > 0 for n in shape)):
        raise UserError(f"data.shape {shape!r} is not [height, width, channels]")
    height, width, channels = shape
    return get(info["benchmark"], {info["data"]["name"]: (channels, height, width)})


def is_name(text: str) -> bool:
    """Whether the text has the form of a benchmark's name; a data set must not have such a name."""
    return _NAME.fullmatch(text) is not None


def _unknown_benchmark(name: str, data: Iterable[str]) -> UserError:
    episode = re.search(r"-\d+w\d+s$", name)
    if episode and not is_name(name):
        return UserError(f"unknown benchmark {name!r}: ways and shots are numbers from 1 to 9999, such as {INCLUDED}")
    forms = (f"{each}{episode[0] if episode else '-<ways>w<shots>s'}" for each in data)
    return unknown_name("benchmark", name, {*BENCHMARKS, *forms})


def place(title: str) -> tuple[int, str]:
    """A sort key for the order in which benchmarks are shown: the main one first, then the named ones, others by
    name."""
    order, name = [FIRST, *(name for name in BENCHMARKS if name != FIRST)], title.removeprefix("part of ")
    return (order.index(name) if name in order else len(order)), title
