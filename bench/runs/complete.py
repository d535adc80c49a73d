"""One run from its keys to its record: train unless trained, evaluate unless evaluated, lose nothing."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bench import records
from bench.records import layout
from bench.records.locks import Busy, locked
from bench.runs import tensorboard
from bench.runs.evaluate import evaluate_at
from bench.runs.job import Job
from bench.runs.status import evaluated_at, going_on_together, has, is_complete, lacks_scores, read_if_any
from bench.runs.train import trained
from bench.training.watch import Interrupted, Watch


def complete(jobs: Sequence[Job], watch: Watch, force: bool = False) -> tuple[tuple[str, ...], bool]:
    """Does what is missing of runs that differ in their seeds alone, which train together. What became of each:
    `finished`, `diverged`, `skipped` where it was finished before, or `busy` where another process works on it; and
    whether anything was left to do.

    Raises train.Interrupted where `watch.stop` said so, but not before something was done."""
    for job in jobs:
        job.check()
    with ExitStack() as locks:
        outcomes = looks = [_first_look(locks, job, force) for job in jobs]
        left = [job for job, look in zip(jobs, looks, strict=True) if look == ""]
        beginnings = going_on_together(left)
        for together in beginnings:
            try:
                trained(together, watch)
            except Busy:  # another process trains the run whose weights these evaluate
                waiting = {job.seed for job in together}
                outcomes = [
                    "busy" if job.seed in waiting else outcome for job, outcome in zip(jobs, outcomes, strict=True)
                ]
        ended = tuple(
            outcome or _tested(job, watch, worked=bool(beginnings) or job is not left[0])
            for job, outcome in zip(jobs, outcomes, strict=True)
        )
        return ended, any(look == "" and outcome != "busy" for look, outcome in zip(looks, ended, strict=True))


def _first_look(locks: ExitStack, job: Job, force: bool) -> str:
    """What became of the run before, or "" where something is left to do: then nobody else does it meanwhile."""
    try:
        locks.enter_context(locked(job.folder))
    except Busy:
        return "busy"
    if force:
        _clear(job.folder)
    info = read_if_any(job.folder)
    if info is not None and info["status"] != "unfinished":
        layout.drop_checkpoints(job.folder)  # which are left where the end of a run was cut off
    if info is None or not is_complete(job, info):
        return ""
    return "diverged" if lacks_scores(job, info) else "skipped"


def _tested(job: Job, watch: Watch, worked: bool) -> str:
    """What became of a run, with every evaluation that was missing: `diverged` where one has episodes without a score
    too. Where something was done before (`worked`), it may stop in front of the next one: an evaluation leaves nothing
    in the middle to go on from."""
    info = records.read_info(job.folder)
    if info["status"] != "finished":
        return str(info["status"])
    for at in evaluated_at(job, info):
        if has(job, at):
            continue
        if worked and watch.stop():
            raise Interrupted(f"before its evaluation after {at} iterations")
        evaluate_at(job, info, at, watch.on_event)
        worked = True
    return "diverged" if lacks_scores(job, info) else "finished"


def _clear(folder: Path) -> None:
    for path in [
        folder / layout.RECORD,
        folder / layout.PICTURES,
        *folder.glob("*.safetensors"),
        *folder.glob("*.parquet"),
    ]:
        path.unlink(missing_ok=True)
    tensorboard.forget(folder)
    shutil.rmtree(folder / "evaluations", ignore_errors=True)
