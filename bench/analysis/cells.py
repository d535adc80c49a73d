"""A cell: the runs of one benchmark, method and protocol, whose scores form one matrix, with its intervals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from bench.analysis import statistics
from bench.analysis.collapse import collapsed
from bench.analysis.intervals import NO_INTERVAL, Range, closed_form
from bench.protocols import presets
from bench.protocols.benchmarks import Benchmark, of_evaluation, of_record
from bench.protocols.measures import Measure
from bench.protocols.protocol import Protocol
from bench.protocols.training_shape import with_shape_of, without_shape_of
from bench.records.choices import edges_text
from bench.records.contents import Evaluated, Record, predicted

_FEW_STEPS = 20

Pair = tuple[Record, Evaluated]


@dataclass(frozen=True, eq=False)
class Cell:
    """Runs that differ only in their seed, under one evaluation: (record, evaluation) by seed, at least one.
    `diverged`: seeds of the same training without scores, which a mean must mention. `bootstrap`: the interval of the
    crossed bootstrap, whose draws all cells of a shape share. Values are in the measure's unit."""

    runs: tuple[Pair, ...]
    diverged: tuple[int, ...] = ()
    bootstrap: Range = NO_INTERVAL

    @property
    def record(self) -> Record:
        """The record of the first seed, for everything that the seeds share."""
        return self.runs[0][0]

    @property
    def evaluated(self) -> Evaluated:
        """The evaluation of the first seed, for everything that the seeds share."""
        return self.runs[0][1]

    @cached_property
    def benchmark(self) -> Benchmark:
        """The benchmark that was evaluated on."""
        return of_evaluation(self.record.info, self.evaluated.info, self.evaluated.evaluation.benchmark)

    @cached_property
    def trained_on(self) -> Benchmark:
        """The benchmark that was trained on."""
        return of_record(self.record.info)

    @property
    def measure(self) -> Measure:
        """The measure of the scores."""
        return self.benchmark.measure

    @property
    def method(self) -> str:
        """The method's name."""
        return self.record.method

    @property
    def settings(self) -> tuple[str, ...]:
        """The settings that the method uses, among those that not every method uses."""
        return self.record.settings(self.evaluated)

    @property
    def protocol(self) -> Protocol:
        """The protocol. On another benchmark, the ways and shots of training episodes are given if they differ."""
        training, evaluation = self.record.training, self.evaluated.evaluation
        if evaluation.benchmark is None:
            return Protocol(training, evaluation)
        ours = Protocol(training, replace(evaluation, benchmark=None))
        if training.image_batch is None:
            ours = with_shape_of(self.trained_on, ours)
        return without_shape_of(self.benchmark, ours)

    @cached_property
    def described(self) -> str:
        """The protocol by its values: the nearest preset and the differences from it, preceded by the origin."""
        return self.with_origin(presets.describe(self.benchmark, self.settings, self.protocol))

    def with_origin(self, ours: str) -> str:
        """A description of the protocol, preceded by where code, training and weights came from, if from elsewhere."""
        if self.predicted:
            return f"{self.record.info['origin']['name']}, predicted elsewhere, protocol unknown"
        if self.code:
            ours = f"{self.code['file']} ({self.code['sha256'][:8]}): {ours}"
        if self.evaluated.evaluation.benchmark:
            ours = f"trained on {self.record.benchmark}: {ours}"
        return f"{self.origin['name']}, trained elsewhere: {ours}" if self.origin else ours

    @property
    def predicted(self) -> bool:
        """Whether the record holds only scores of predictions made by other code: the protocol is unknown."""
        return predicted(self.record.info)

    @property
    def code(self) -> dict[str, str] | None:
        """Name and SHA-256 of the file of a user's method; None for a built-in method."""
        return self.record.info.get("code")

    @property
    def origin(self) -> dict[str, Any] | None:
        """The origin of weights that were trained elsewhere: a name, and the SHA-256 of their files; None if trained
        here."""
        return self.record.info.get("origin")

    @property
    def seeds(self) -> tuple[int, ...]:
        """The training seeds, one per row of `scores`."""
        return tuple(record.seed for record, _ in self.runs)

    @cached_property
    def scores(self) -> np.ndarray:
        """[seeds, episodes]: the scores at the reported step."""
        return self.measure.factor * np.stack([evaluated.final for _, evaluated in self.runs])

    @cached_property
    def by_step(self) -> np.ndarray:
        """[inner steps + 1, seeds, episodes]: the scores after each inner step."""
        steps = 1 + min(evaluated.last_step for _, evaluated in self.runs)
        return self.measure.factor * np.stack([evaluated.scores[:, :steps].T for _, evaluated in self.runs], axis=1)

    @property
    def shown_steps(self) -> list[int]:
        """The inner steps to show: all if they are few; otherwise 0, 1, 2, 5, 10, ... and the last."""
        last = len(self.by_step) - 1
        if last <= _FEW_STEPS:
            return list(range(last + 1))
        series = [k * 10**power for power in range(len(str(last))) for k in (1, 2, 5)]
        return [0, *(step for step in series if step < last), last]

    @property
    def iterations(self) -> tuple[int, ...]:
        """The iterations evaluated: one, or one per seed if each seed's best weights are used."""
        return tuple(sorted({evaluated.iteration for _, evaluated in self.runs}))

    @property
    def data(self) -> dict[str, Any]:
        """name, digest, known_as and partial of the data that were evaluated on."""
        return dict(self.evaluated.info.get("data") or self.record.info["data"])

    @property
    def title(self) -> str:
        """The name of the benchmark, marked if the data are only a part of it."""
        return f"{'part of ' * bool(self.data['partial'])}{self.benchmark.name}"

    @property
    def queries(self) -> int:
        """The number of query images of a test episode, all classes together."""
        return self.benchmark.ways * self.evaluated.evaluation.queries

    @cached_property
    def headline(self) -> statistics.Estimate:
        """The mean over seeds and episodes; its interval is NaN for one seed."""
        return statistics.over_both(self.scores)

    @cached_property
    def intervals(self) -> dict[str, Range]:
        """Name -> 95 % interval, clipped to the measure's bounds; NaN if one seed is not enough for it."""
        drawn = self.measure.clipped(self.bootstrap) if np.ptp(self.scores) else NO_INTERVAL
        return closed_form(self.scores, self.measure) | {"crossed bootstrap": drawn}

    @property
    def covers(self) -> str:
        """The name of the interval to show if there is room for only one."""
        return "both" if len(self.seeds) > 1 else "over episodes"

    @property
    def collapsed(self) -> tuple[int, ...]:
        """The seeds with the same score in every test episode: their models give the same answer to everything."""
        return tuple(record.seed for record, found in self.runs if collapsed(found.final, self.measure))

    @cached_property
    def edges(self) -> dict[int, str]:
        """Seed -> what was chosen on validation at an edge of the candidates; other seeds are left out."""
        found = {record.seed: edges_text(evaluated.edges) for record, evaluated in self.runs}
        return {seed: words for seed, words in found.items() if words}

    @property
    def near_bound(self) -> bool:
        """Whether an interval comes near the measure's bounds, where its coverage is below 95 %."""
        return any(map(self.measure.near_bound, self.intervals.values()))

    @property
    def demonstration(self) -> bool:
        """Whether it is only a demonstration: too few seeds for a verdict, and less training than the paper's."""
        full = presets.paper(self.benchmark).training.iterations
        return self.origin is None and len(self.seeds) < statistics.FEWEST_SEEDS and max(self.iterations) < full


def iteration_range(iterations: tuple[int, ...]) -> str:
    """One iteration, or the range of several."""
    return f"{iterations[0]}" if len(iterations) == 1 else f"{iterations[0]} to {iterations[-1]}"
