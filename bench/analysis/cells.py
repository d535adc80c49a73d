"""A cell: the runs of one benchmark, method and protocol, whose scores form one matrix, and its intervals."""

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
from bench.protocols.presets import paper
from bench.protocols.protocol import Protocol
from bench.records.choices import said
from bench.records.contents import Evaluated, Record, predicted

_FEW_STEPS = 20

Pair = tuple[Record, Evaluated]


@dataclass(frozen=True, eq=False)
class Cell:
    """Runs that differ in their seed only, in one evaluation: (record, evaluation) by seed, at least one.

    `diverged`: seeds of the same training that left no scores; an average without them says so. `bootstrap`: the
    crossed bootstrap's interval, drawn once for all cells of a shape. All are in the measure's unit."""

    runs: tuple[Pair, ...]
    diverged: tuple[int, ...] = ()
    bootstrap: Range = NO_INTERVAL

    @property
    def record(self) -> Record:
        """The first seed's record, for what all of them share."""
        return self.runs[0][0]

    @property
    def evaluated(self) -> Evaluated:
        """The first seed's evaluation, for what all of them share."""
        return self.runs[0][1]

    @cached_property
    def benchmark(self) -> Benchmark:
        """What was run, or, of an evaluation on another one, that."""
        return of_evaluation(self.record.info, self.evaluated.info, self.evaluated.evaluation.benchmark)

    @cached_property
    def trained_on(self) -> Benchmark:
        """What was run."""
        return of_record(self.record.info)

    @property
    def measure(self) -> Measure:
        """What its scores are."""
        return self.benchmark.measure

    @property
    def method(self) -> str:
        """The method's name."""
        return self.record.method

    @property
    def settings(self) -> tuple[str, ...]:
        """The settings that the method uses, of those that not every method does."""
        return self.record.settings(self.evaluated)

    @property
    def protocol(self) -> Protocol:
        """As it was run and evaluated. Of an evaluation on another benchmark, the ways and shots of the training are
        named where they are not that one's."""
        training, evaluation = self.record.training, self.evaluated.evaluation
        if evaluation.benchmark is None:
            return Protocol(training, evaluation)
        trained, tested = self.trained_on.with_shape(training.ways, training.shots), self.benchmark
        shape = {name: getattr(trained, name) for name in ("ways", "shots")}
        own: dict[str, Any] = {name: None if value == getattr(tested, name) else value for name, value in shape.items()}
        return Protocol(replace(training, **own), replace(evaluation, benchmark=None))

    @cached_property
    def described(self) -> str:
        """The protocol by its values: the nearest preset and what differs from it; before that, whose weights these
        are where they were not trained here."""
        if self.predicted:
            return f"{self.record.info['origin']['name']}, predicted elsewhere, protocol unknown"
        ours = presets.described(self.benchmark, self.settings, self.protocol)
        if self.code:
            ours = f"{self.code['file']} ({self.code['sha256'][:8]}): {ours}"
        if self.evaluated.evaluation.benchmark:
            ours = f"trained on {self.record.benchmark}: {ours}"
        return f"{self.origin['name']}, trained elsewhere: {ours}" if self.origin else ours

    @property
    def predicted(self) -> bool:
        """Whether only predictions are here, of other people's code: nothing is known of their protocol."""
        return predicted(self.record.info)

    @property
    def code(self) -> dict[str, str] | None:
        """The file of a method that does not ship, its name and SHA-256; None: it ships."""
        return self.record.info.get("code")

    @property
    def origin(self) -> dict[str, Any] | None:
        """Where weights that were trained elsewhere are from: a name, and the SHA-256 of their files; None: trained
        here."""
        return self.record.info.get("origin")

    @property
    def seeds(self) -> tuple[int, ...]:
        """The training seeds, one a row of `scores`."""
        return tuple(record.seed for record, _ in self.runs)

    @cached_property
    def scores(self) -> np.ndarray:
        """[seeds, episodes]: at the step that counts."""
        return self.measure.factor * np.stack([evaluated.final for _, evaluated in self.runs])

    @cached_property
    def by_step(self) -> np.ndarray:
        """[inner steps + 1, seeds, episodes]."""
        steps = 1 + min(evaluated.last_step for _, evaluated in self.runs)
        return self.measure.factor * np.stack([evaluated.scores[:, :steps].T for _, evaluated in self.runs], axis=1)

    @property
    def shown_steps(self) -> list[int]:
        """The inner steps that are shown: every one of a few, and 1, 2, 5, 10, ... of many, with the first and last."""
        last = len(self.by_step) - 1
        if last <= _FEW_STEPS:
            return list(range(last + 1))
        series = [k * 10**power for power in range(len(str(last))) for k in (1, 2, 5)]
        return [0, *(step for step in series if step < last), last]

    @property
    def iterations(self) -> tuple[int, ...]:
        """The iterations evaluated: one, or one a seed where each seed's best weights are."""
        return tuple(sorted({evaluated.iteration for _, evaluated in self.runs}))

    @property
    def data(self) -> dict[str, Any]:
        """name, digest, known_as, partial, of what was evaluated on."""
        return dict(self.evaluated.info.get("data") or self.record.info["data"])

    @property
    def title(self) -> str:
        """The benchmark, which a part of its data is never called by itself."""
        return f"{'part of ' * bool(self.data['partial'])}{self.benchmark.name}"

    @property
    def queries(self) -> int:
        """Query images of a test episode, all classes together."""
        return self.benchmark.ways * self.evaluated.evaluation.queries

    @cached_property
    def headline(self) -> statistics.Estimate:
        """Over seeds and episodes; its interval is NaN for one seed."""
        return statistics.over_both(self.scores)

    @cached_property
    def intervals(self) -> dict[str, Range]:
        """Name -> 95 % interval, inside the measure's bounds; NaN where one seed cannot tell."""
        drawn = self.measure.clipped(self.bootstrap) if np.ptp(self.scores) else NO_INTERVAL
        return closed_form(self.scores, self.measure) | {"crossed bootstrap": drawn}

    @property
    def covers(self) -> str:
        """The name of the interval that it is shown with where there is room for one."""
        return "both" if len(self.seeds) > 1 else "over episodes"

    @property
    def collapsed(self) -> tuple[int, ...]:
        """The seeds that scored the same in every test episode: one answer to everything."""
        return tuple(record.seed for record, found in self.runs if collapsed(found.final, self.measure))

    @cached_property
    def edges(self) -> dict[int, str]:
        """Seed -> what of its choice on validation lies at the edge of what there was, where something does."""
        found = {record.seed: said(evaluated.edges) for record, evaluated in self.runs}
        return {seed: words for seed, words in found.items() if words}

    @property
    def near_bound(self) -> bool:
        """Whether an interval comes near the measure's bounds, where it covers less than it says."""
        return any(map(self.measure.near_bound, self.intervals.values()))

    @property
    def demonstration(self) -> bool:
        """Whether it only shows that things work: too few seeds to judge, and less training than the paper's."""
        full = paper(self.benchmark).training.iterations
        return self.origin is None and len(self.seeds) < statistics.FEWEST_SEEDS and max(self.iterations) < full


def spread(iterations: tuple[int, ...]) -> str:
    """One iteration, or the range of several."""
    return f"{iterations[0]}" if len(iterations) == 1 else f"{iterations[0]} to {iterations[-1]}"
