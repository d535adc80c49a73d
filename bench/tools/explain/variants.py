"""The variants between two protocols as runs: their costs, the work that is left, and their scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench import records
from bench.errors import UserError, numbered_seeds, quantity
from bench.networks.conv4 import network
from bench.protocols.settings import with_values
from bench.records import layout
from bench.records.choices import edges_text
from bench.records.layout import kept_file, kept_weights, weights_of
from bench.report import tables
from bench.runs import lengthen, planning, request
from bench.runs.estimate import training_seconds
from bench.runs.job import Job
from bench.runs.progress import duration
from bench.runs.status import RunStatus
from bench.runs.step_times import StepTimes
from bench.tools.explain.factors import Comparison, Variant
from bench.training import checkpoint, modes
from bench.training.watch import Listener


@dataclass(frozen=True)
class Work:
    """A variant's runs, one per seed. `seconds`: rough estimate for one training; 0 if it shares another variant's
    training."""

    variant: Variant
    jobs: tuple[Job, ...]
    seconds: float

    @property
    def trainings(self) -> int:
        """The number of trainings that are left, including unfinished ones; 0 if another variant does them."""
        return sum(RunStatus.read(job).left == "training" for job in self.jobs) if self.seconds else 0

    @property
    def evaluations(self) -> set[str]:
        """The names of the evaluations that are left: of a variant that is evaluated before the end of its training,
        only that one."""
        left = [(job, at) for job in self.jobs for at in RunStatus.read(job).unevaluated]
        mine = [(job, at) for job, at in left if self.variant.at in (None, at)]
        return {f"{job.name}/{layout.evaluation_stem(job.protocol.evaluation, at)}" for job, at in mine}


def plan_works(comparison: Comparison, request: request.Request) -> list[Work]:
    """Every variant's runs, cheapest training first. Raises UserError before anything starts."""
    variants = [_reachable(variant, comparison, request) for variant in comparison.variants]
    variants.sort(key=lambda variant: _seconds(comparison, variant, request))
    works: list[Work] = []
    for variant in variants:
        shared = any(variant.protocol.training == work.variant.protocol.training for work in works)
        also = tuple(c.at for c in variants if c.at and c.protocol.training == variant.protocol.training)
        seconds = 0.0 if shared else _seconds(comparison, variant, request)
        works.append(Work(variant, tuple(_jobs(variant, comparison, request, also)), seconds))
    return works


def _jobs(variant: Variant, comparison: Comparison, request: request.Request, also: tuple[int, ...]) -> list[Job]:
    made = planning.runs(request, comparison.benchmark, variant.preset, lambda method: variant.protocol)
    return [replace(job, milestones=tuple(sorted({*job.milestones, *also}))) for job in made]


def _reachable(variant: Variant, comparison: Comparison, request: request.Request) -> Variant:
    """The variant; with a training of its own if the existing one did not keep the weights of the iteration it needs,
    or if they are not those of a training that ends there."""
    if variant.at is None:
        return variant
    jobs = _jobs(variant, comparison, request, ())
    if not any(map(lengthen.why_length_matters, jobs)) and all(_comes_by(job, variant.at) for job in jobs):
        return variant
    return replace(variant, protocol=with_values(variant.protocol, {"iterations": variant.at}), at=None)


def _comes_by(job: Job, at: int) -> bool:
    """Whether the weights of that iteration exist or will exist; also True for a run that diverged, which needs
    none."""
    status = RunStatus.read(job)
    if not status.is_trained and job.kind.weights_of is not None:
        return _comes_by(job.weights_job, at)
    if not status.is_trained:
        return kept_file(job.folder, at).exists() or max(checkpoint.stages(job.folder)) < at
    return status.info["status"] == "diverged" or at in kept_weights(status.info)


def _seconds(comparison: Comparison, variant: Variant, request: request.Request) -> float:
    training = variant.protocol.training
    benchmark = comparison.benchmark.with_shape(training.ways, training.shots)
    return modes.training_seconds(network(benchmark, training), benchmark, request.device)


def add_times(works: Sequence[Work], on_event: Listener) -> list[Work]:
    """The works, with the seconds of their trainings measured on this machine."""
    known = StepTimes(on_event)
    return [replace(work, seconds=training_seconds(work.jobs[0], known)) if work.seconds else work for work in works]


def list_works(comparison: Comparison, works: Sequence[Work], how: str = "very roughly") -> list[str]:
    """What will run: one line per variant, and the total. `how`: how the seconds are known."""
    start = next(work for work in works if work.variant.name == comparison.start.name)
    whole = max(work.seconds for work in works if work.variant.protocol.training == start.variant.protocol.training)
    evaluations = _evaluations(works)
    rows = [_row(work, whole, evaluations[work.variant.name]) for work in works]
    hours = duration(sum(work.seconds * work.trainings for work in works))
    trainings = sum(work.trainings for work in works)
    return [
        f"from {comparison.start.name} to {comparison.end.name} on {comparison.benchmark.name}: {comparison.method}, "
        f"{numbered_seeds(job.seed for job in start.jobs)}, {start.variant.protocol.evaluation.episodes} test episodes",
        *tables.text(rows),
        f"{len(works)} cells of {quantity(len(start.jobs), 'seed')}; "
        f"to do: {quantity(trainings, 'training')}, {how} {hours} on "
        f"{start.jobs[0].workload.device}, and {quantity(sum(evaluations.values()), 'evaluation')}",
    ]


def _evaluations(works: Sequence[Work]) -> dict[str, int]:
    """Variant -> the number of evaluations that are left: one that several variants share is counted once, for the one
    that needs no other, if there is one."""
    counted: set[str] = set()
    found = {}
    for work in sorted(works, key=lambda work: work.variant.at is None):
        found[work.variant.name] = len(work.evaluations - counted)
        counted |= work.evaluations
    return found


def _row(work: Work, whole: float, evaluations: int) -> tables.Row:
    training = f"{work.seconds / whole:.2g}x, {duration(work.seconds)} per seed" if work.seconds else "shared"
    return {
        "cell": work.variant.name,
        "training": training,
        "to train": str(work.trainings),
        "to evaluate": str(evaluations),
    }


def scores(comparison: Comparison, works: Sequence[Work]) -> dict[str, dict[int, np.ndarray]]:
    """Variant -> seed -> [episodes], in the unit shown (percent). Seeds that diverged are missing. Raises UserError if
    a run is not finished."""
    factor = comparison.benchmark.measure.factor
    return {
        work.variant.name: {job.seed: factor * values for job in work.jobs for values in _final(job, work.variant.at)}
        for work in works
    }


def at_edge(works: Sequence[Work]) -> dict[str, str]:
    """Variant -> what its runs chose on validation at an edge of the range, if anything: every effect that uses the
    variant depends on that choice."""
    found = {
        work.variant.name: {
            job.seed: edges_text(evaluated.edges)
            for job in work.jobs
            for evaluated in _evaluation_at(job, work.variant.at)
        }
        for work in works
    }
    told = {name: [f"seed {seed}: {text}" for seed, text in of.items() if text] for name, of in found.items()}
    return {name: "; ".join(texts) for name, texts in told.items() if texts}


def _final(job: Job, at: int | None) -> list[np.ndarray]:
    return [found.final for found in _evaluation_at(job, at)]


def _evaluation_at(job: Job, at: int | None) -> list[records.Evaluated]:
    """The variant's evaluation of a run; empty if it has no scores. Raises UserError if the run is not finished."""
    status = RunStatus.read(job)
    if not status.is_trained:
        raise UserError(f"{job.name} is not finished: another process is training it; try again later")
    if status.info["status"] != "finished":
        return []
    found = status.evaluation(weights_of(job.folder, status.info, job.protocol.evaluation, at)[0])
    return [] if found.lost else [found]
