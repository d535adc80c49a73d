"""Grids of an experiment: trainings that differ in settings for which the file lists several values. One candidate is
chosen on validation episodes, and only that one is tested."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Any

from bench import records
from bench.errors import UserError
from bench.protocols import settings, usage
from bench.protocols.experiments import Experiment, RunBlock
from bench.records import fields, layout
from bench.records.choices import Edges, edges, grid_of
from bench.records.locks import lock
from bench.runs.job import Job
from bench.runs.status import RunStatus
from bench.runs.used_settings import moved_by


@dataclass(frozen=True)
class Grid:
    """The candidates of one benchmark and method: each as text, its values of the settings that vary, and its runs, one
    per seed."""

    candidates: tuple[str, ...]
    values: tuple[dict[str, Any], ...]
    runs: tuple[tuple[Job, ...], ...]


@dataclass(frozen=True)
class ChosenCandidate:
    """The chosen candidate, and each candidate's mean validation score over the seeds; None if one of a seed is not
    finite."""

    grid: Grid
    scores: tuple[float | None, ...]
    place: int

    @property
    def jobs(self) -> tuple[Job, ...]:
        """The runs of the chosen candidate, now to be tested."""
        return tuple(replace(job, candidate=False) for job in self.grid.runs[self.place])

    @property
    def at_edge(self) -> Edges:
        """The chosen values that lie at the edge of the grid."""
        return edges(self.grid.values, self.grid.values[self.place], 0, 0)

    @property
    def kept(self) -> dict[str, Any]:
        """What the evaluations of the chosen runs store about the choice."""
        candidates = list(self.grid.candidates)
        return {"candidates": candidates, "valid_scores": list(self.scores), "chosen": candidates[self.place]}

    @property
    def line(self) -> str:
        """The candidates, their scores and the choice, in one line."""
        job = self.jobs[0]
        written = ["diverged" if s is None else job.benchmark.measure.written(s) for s in self.scores]
        told = "; ".join(f"{name}: {score}" for name, score in zip(self.grid.candidates, written, strict=True))
        return f"{job.benchmark.name} {job.method}: {self.grid.candidates[self.place]} chosen on validation ({told})"


def grids(experiment: Experiment, block: RunBlock, made: Sequence[Sequence[Job]]) -> list[Grid]:
    """The grids of a block; `made` holds the jobs of each candidate. Raises UserError if validation cannot choose among
    them."""
    for name, _ in block.grid:
        with experiment.at(block, name):
            settings.check_can_be_tried(name)
            _check_all_use(name, made[0])
    if not block.grid:
        return []
    with experiment.at(block, "set"):
        return [_check(_grid(block, runs)) for runs in zip(*map(_by_method, made), strict=True)]


def _check_all_use(name: str, jobs: Sequence[Job]) -> None:
    """Raises UserError if a setting with several values has no effect on a method: all its candidates would be the same
    run."""
    for job in jobs:
        if not usage.uses(moved_by(job.workload.method), name):
            raise UserError(f"a list applies to every method, but {job.method} has no {name}: give it its own [[run]]")


def _by_method(jobs: Sequence[Job]) -> Iterator[tuple[Job, ...]]:
    def kind(job: Job) -> tuple[str, str]:
        return job.benchmark.name, job.method

    return (tuple(replace(job, candidate=True) for job in part) for _, part in groupby(sorted(jobs, key=kind), kind))


def _grid(block: RunBlock, runs: Sequence[tuple[Job, ...]]) -> Grid:
    names = [name for name, _ in block.grid]
    values = (settings.settings_of(jobs[0].protocol) for jobs in runs)
    return Grid(block.tried, tuple({name: all_of[name] for name in names} for all_of in values), tuple(runs))


def _check(grid: Grid) -> Grid:
    trainings = [jobs[0].protocol.training for jobs in grid.runs]
    if not all(training.validations for training in trainings):
        raise UserError("a list of values is chosen from by validation: set validations to 1 or more")
    named: dict[str, str] = {}
    for name, jobs in zip(grid.candidates, grid.runs, strict=True):
        if (same := named.setdefault(jobs[0].key.hash, name)) != name:
            raise UserError(f"{same} and {name} are the same: leave one out")
    seen = {jobs[0].validating().stream("valid").digest for jobs in grid.runs}
    if len(seen | {training.validation_episodes for training in trainings}) > 2:
        raise UserError(
            "the values of a list must share their validation episodes, and these do not: run them one by one"
        )
    return grid


def choice(grid: Grid) -> ChosenCandidate:
    """The candidate with the best validation score, averaged over the seeds; the first one if several are equal. Raises
    UserError if a run is not trained, or every candidate diverged."""
    scores = tuple(_mean_score(jobs) for jobs in grid.runs)
    measure, known = grid.runs[0][0].benchmark.measure, {k: s for k, s in enumerate(scores) if s is not None}
    if not known:
        raise UserError(f"{grid.runs[0][0].method}: every candidate of the grid diverged, so none can be tested")
    best = next(iter(known))
    for place, score in known.items():
        best = place if measure.better(score, known[best]) else best
    return ChosenCandidate(grid, scores, best)


def _mean_score(jobs: Sequence[Job]) -> float | None:
    scores = [valid_score(job) for job in jobs]
    return None if None in scores else fmean(score for score in scores if score is not None)


def valid_score(job: Job) -> float | None:
    """The validation score of the weights that would be tested; None if the training diverged, or that score is not
    finite. Raises UserError if the run is not trained yet."""
    status = RunStatus.read(job)
    if not status.is_trained:
        raise UserError(f"{job.name} is not trained yet: another process is training it; try again later")
    if status.info["status"] == "diverged":
        return None
    if job.protocol.evaluation.weights == "best":
        score = status.info["best_score"]
    else:
        score = float(records.read(job.folder).points["valid_score"][-1])
    return score if score is not None and math.isfinite(score) else None


def tell(chosen: ChosenCandidate) -> None:
    """Stores in the evaluations of the chosen runs how they were chosen."""
    for job in chosen.jobs:
        with lock(job.folder):
            for found in RunStatus.read(job).evaluations.values():
                if found is not None and found.info.get("grid") != chosen.kept:
                    records.write_evaluation(
                        job.folder,
                        found.evaluation,
                        found.iteration,
                        found.step,
                        found.scores,
                        with_choice(found, chosen.kept, chosen.at_edge),
                    )


def with_choice(found: records.Evaluated, kept: Any, at_edge: Edges) -> dict[str, Any]:
    """What an evaluation stores, with this choice of a grid in place of an earlier one's; what the evaluation itself
    chose stays."""
    own = {name: place for name, place in found.edges.items() if name in _own_choices(found)}
    return found.info | {"grid": kept, "at_edge": own | at_edge}


def with_stored_choice(folder: Path, found: records.Evaluated) -> records.Evaluated:
    """A new evaluation of a run, with the choice of a grid that the evaluation it replaces stores, or else another one
    of this run: the weights that it tests were chosen. Unchanged if none does."""
    replaced = layout.evaluation_stem(found.evaluation, found.iteration)
    stored = sorted((folder / "evaluations").glob("*.json"), key=lambda path: (path.stem != replaced, path))
    for path in stored:
        with suppress(fields.Corrupt):
            other = records.read_evaluation(path)
            if grid_of(other.info) is not None:
                of_grid = {name: place for name, place in other.edges.items() if name not in _own_choices(other)}
                return replace(found, info=with_choice(found, other.info["grid"], of_grid))
    return found


def _own_choices(found: records.Evaluated) -> set[str]:
    """What an evaluation itself chose on validation episodes, by the names in `edges`; the others are the grid's."""
    return {"step", *found.info.get("setting", {})}
