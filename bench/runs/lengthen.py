"""Continues a finished shorter training, with the same bits as an uninterrupted one of the full length, or says why
not."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from bench import files, records
from bench.errors import UserError
from bench.protocols import settings
from bench.protocols.protocol import Training
from bench.records import layout
from bench.runs.job import Job
from bench.training import checkpoint
from bench.training.outer_loop import validated_at

_OF_BEGINNING = ("execution", "environment", "resumed")  # fields of a record about the iterations already done


@dataclass(frozen=True)
class Shorter:
    """A finished run that differs from a job only in its number of iterations and in its validation schedule."""

    folder: Path
    info: dict[str, Any]
    training: Training

    @property
    def iterations(self) -> int:
        """The number of iterations that are done."""
        done: int = self.info["iteration"]
        return done


def start_from_shorter(job: Job, keep: Collection[int]) -> dict[str, Any]:
    """Starts a run from the longest shorter training that it can continue, and returns the new record's content; empty
    if there is none. `keep`: iterations whose weights are to be kept in addition to the job's milestones."""
    source = longest(job, keep)
    if source is None:
        return {}
    wanted = _kept_weights(source, {*job.milestones, *keep})
    names = [*wanted.values(), layout.WEIGHTS, layout.BEST, layout.CURVE, layout.OPTIMISER]
    paths = {name: records.checked_path(source.folder, name, source.info["files"]) for name in names}
    job.folder.mkdir(parents=True, exist_ok=True)
    for at, name in wanted.items():
        files.write_atomically(layout.kept_file(job.folder, at), partial(shutil.copyfile, paths[name]))
    checkpoint.save_finished(source.folder, source.info, job.folder)
    old = {name: source.info[name] for name in _OF_BEGINNING if name in source.info}
    begun_at = {name: source.info[name] for name in ("episodes_digest", "iteration", "best_iteration")}
    went_on = {"run": layout.run_name(source.folder), "iteration": source.iterations}
    info = job.about | old | begun_at | {"status": "unfinished", "continued": went_on, "files": {}}
    files.write_sealed(job.folder / layout.RECORD, info)
    return info


def longest(job: Job, keep: Collection[int] = ()) -> Shorter | None:
    """The longest shorter run that a job can continue, or None."""
    able = [shorter for shorter in _shorter(job) if not why_not(job, shorter, keep)]
    return max(able, key=lambda shorter: shorter.iterations, default=None)


def notes(jobs: Sequence[Job], force: bool, keep: Collection[int]) -> list[str]:
    """One line per benchmark and method with a finished shorter training here: whether the longer one continues it, or
    why it starts from the beginning."""
    found: dict[tuple[str, str, int], str] = {}
    for job in (each.weights_job for each in jobs):
        for shorter in _shorter(job):
            key = (job.benchmark.name, job.method, shorter.iterations)
            found.setdefault(key, _note(job, shorter, "--force" if force else why_not(job, shorter, keep)))
    return list(found.values())


def why_not(job: Job, shorter: Shorter, keep: Collection[int] = ()) -> str:
    """Why a job cannot continue a shorter training to the bits of an uninterrupted one; empty if it can."""
    if layout.OPTIMISER not in shorter.info["files"]:
        return "it was recorded by a version that kept no optimiser state"
    if why := why_length_matters(job):
        return why
    if (
        missing := {at for at in {*job.milestones, *keep} if at <= shorter.iterations}
        - _kept_weights(shorter, None).keys()
    ):
        return f"it did not keep the weights of iteration {min(missing)}, which this run needs"
    return _validated_elsewhere(job.protocol.training, shorter.training)


def why_length_matters(job: Job) -> str:
    """Why the first iterations of a job may depend on how many there are in all; empty if they do not."""
    method = job.workload.method
    uses = getattr(method.kind, "uses_length", False) if method.code is None else vars(method.kind).get("uses_length")
    if uses is None:
        return f"{method.name} does not declare `uses_length = False`: its steps may depend on the number of iterations"
    if uses:
        return f"the schedule of {method.name} depends on the number of iterations"
    if job.protocol.training.meta_lr_final is not None:
        return "the schedule to meta_lr_final depends on the number of iterations"
    return ""


def _validated_elsewhere(wanted: Training, done: Training) -> str:
    """Why the validations of the shorter training do not match; empty if they do. Validations are spread over a
    training, and the best weights come from one of them."""
    if _same_validations(wanted, done):
        return ""
    count = round(done.validations * wanted.iterations / done.iterations)
    mend = (
        f": with --set validations={count} it continues"
        if _same_validations(replace(wanted, validations=count), done)
        else ""
    )
    return f"its validations were at other iterations{mend}"


def _same_validations(wanted: Training, done: Training) -> bool:
    return {at for at in validated_at(wanted) if at <= done.iterations} == validated_at(done)


def _note(job: Job, shorter: Shorter, why: str) -> str:
    asked, there = job.protocol.training.iterations, shorter.iterations
    here = f"{job.method} is finished after {there} iterations ({shorter.info['training_hash']})"
    if not why:
        return f"{here}; training continues from there to {asked}"
    return f"{here}, but all {asked} are trained from the start: {why}"


def _kept_weights(shorter: Shorter, wanted: Collection[int] | None) -> dict[int, str]:
    """Iteration -> file, for the weights that a run has kept: the wanted ones, or all."""
    found = layout.kept_weights(shorter.info) | {shorter.iterations: layout.WEIGHTS}
    return {at: name for at, name in found.items() if wanted is None or at in wanted}


def _shorter(job: Job) -> Iterator[Shorter]:
    """The shorter trainings of the job's seed; none once the job itself has started."""
    if (job.folder / layout.RECORD).exists():
        return
    for folder in layout.folders(job.results, job.benchmark.name, job.method):
        if folder.name != f"seed{job.seed}":
            continue
        try:
            info = records.read_info(folder)
            shorter = Shorter(folder, info, settings.from_fields(Training, info["training"]))
        except UserError:
            continue
        if _same_but_shorter(job, shorter):
            yield shorter


def _same_but_shorter(job: Job, shorter: Shorter) -> bool:
    wanted, info = job.protocol.training, shorter.info
    alike = replace(shorter.training, iterations=wanted.iterations, validations=wanted.validations) == wanted
    data = (info["data"]["digest"], info["preset"]) == (job.workload.data.digest, job.preset)
    return alike and data and info["status"] == "finished" and shorter.iterations < wanted.iterations
