"""Continues a finished shorter training, to the same bits as one of the full length, or says why not."""

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

_OF_BEGINNING = ("execution", "environment", "resumed")  # what a record says of the iterations that are done


@dataclass(frozen=True)
class Shorter:
    """A finished run that differs from a job in its number of iterations alone, and in when it was validated."""

    folder: Path
    info: dict[str, Any]
    training: Training

    @property
    def iterations(self) -> int:
        """How many are done."""
        done: int = self.info["iteration"]
        return done


def start_from_shorter(job: Job, keep: Collection[int]) -> dict[str, Any]:
    """What the record says of a run that has just been begun from the longest shorter one that it can go on from; empty
    where there is none. `keep`: the iterations whose weights are to be kept beside the job's own."""
    source = longest(job, keep)
    if source is None:
        return {}
    wanted = _kept(source, {*job.milestones, *keep})
    names = [*wanted.values(), layout.WEIGHTS, layout.BEST, layout.CURVE, layout.OPTIMISER]
    paths = {name: records.checked(source.folder, name, source.info["files"]) for name in names}
    job.folder.mkdir(parents=True, exist_ok=True)
    for at, name in wanted.items():
        files.write_atomically(layout.kept(job.folder, at), partial(shutil.copyfile, paths[name]))
    checkpoint.save_finished(source.folder, source.info, job.folder)
    old = {name: source.info[name] for name in _OF_BEGINNING if name in source.info}
    begun_at = {name: source.info[name] for name in ("episodes_digest", "iteration", "best_iteration")}
    went_on = {"run": layout.run_name(source.folder), "iteration": source.iterations}
    info = job.about | old | begun_at | {"status": "unfinished", "continued": went_on, "files": {}}
    files.write_sealed(job.folder / layout.RECORD, info)
    return info


def longest(job: Job, keep: Collection[int] = ()) -> Shorter | None:
    """The longest shorter run that a job can go on from."""
    able = [shorter for shorter in _shorter(job) if not why_not(job, shorter, keep)]
    return max(able, key=lambda shorter: shorter.iterations, default=None)


def notes(jobs: Sequence[Job], force: bool, keep: Collection[int]) -> list[str]:
    """A line for each benchmark and method of which a shorter training is finished here: that the longer one goes on
    from it, or that it begins anew, and why."""
    found: dict[tuple[str, str, int], str] = {}
    for job in map(_trained, jobs):
        for shorter in _shorter(job):
            key = (job.benchmark.name, job.method, shorter.iterations)
            found.setdefault(key, _note(job, shorter, "--force" if force else why_not(job, shorter, keep)))
    return list(found.values())


def why_not(job: Job, shorter: Shorter, keep: Collection[int] = ()) -> str:
    """Why a job cannot go on from a shorter training to the bits of an uninterrupted one; empty where it can."""
    method = job.workload.method
    if layout.OPTIMISER not in shorter.info["files"]:
        return "it was recorded by a version that kept no optimiser state"
    uses = getattr(method.kind, "uses_length", False) if method.code is None else vars(method.kind).get("uses_length")
    if uses is None:
        return f"{method.name} does not declare `uses_length = False`: its steps may depend on the number of iterations"
    if uses:
        return f"the schedule of {method.name} depends on the number of iterations"
    if job.protocol.training.meta_lr_final is not None:
        return "the schedule to meta_lr_final depends on the number of iterations"
    if missing := {at for at in {*job.milestones, *keep} if at <= shorter.iterations} - _kept(shorter, None).keys():
        return f"it did not keep the weights of iteration {min(missing)}, which this run needs"
    return _validated_elsewhere(job.protocol.training, shorter.training)


def _validated_elsewhere(wanted: Training, done: Training) -> str:
    """Validations are spread over a training, and the best weights are those of one of them."""
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


def _kept(shorter: Shorter, wanted: Collection[int] | None) -> dict[int, str]:
    """Iteration -> file, of the weights that a run has, of the wanted ones or of all."""
    found = layout.kept_weights(shorter.info) | {shorter.iterations: layout.WEIGHTS}
    return {at: name for at, name in found.items() if wanted is None or at in wanted}


def _trained(job: Job) -> Job:
    """The run that is trained: another method's, where the job's evaluates that one's weights."""
    return job if job.kind.weights_of is None else job.weights_job


def _shorter(job: Job) -> Iterator[Shorter]:
    """The shorter trainings of the job's seed; none once the job has begun."""
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
