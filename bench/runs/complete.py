"""Completes runs: trains and evaluates whatever is missing. Interrupting it loses nothing."""

from __future__ import annotations

import shutil
import time
import traceback
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.errors import UserError, kind_and_reason
from bench.records import layout
from bench.records.locks import Busy, lock
from bench.runs import lengthen, tensorboard
from bench.runs.evaluate import evaluate_at
from bench.runs.groups import Ended, SeedGroup, WorkOptions
from bench.runs.job import Job
from bench.runs.progress import Throttle, ends_something
from bench.runs.status import Outcome, RunStatus, resumable_groups
from bench.runs.train import train_runs
from bench.training.watch import Event, Interrupted, Listener, Said, Scored, Step, Stop, Watch

_SHOWN_SECONDS = 0.2  # the shortest time between two progress events sent to another process


def work(group: SeedGroup, options: WorkOptions, on_event: Listener, stop: Stop, attempt: int) -> Ended:
    """Completes a group in the command's own process. `attempt` counts from 0; only the first attempt may start anew
    (`--force`)."""
    with tensorboard.log_events(options.log, on_event) as listener:
        watch = Watch(listener, stop, options.checkpoint_every, options.keep)
        try:
            return Ended(*complete_runs(group.jobs, watch, group.anew if attempt == 0 else ()))
        except Interrupted as interrupted:
            return Ended(stopped=str(interrupted))


def work_apart(group: SeedGroup, options: WorkOptions, on_event: Listener, stop: Stop, attempt: int) -> Ended:
    """Completes a group in a worker process: an error ends this group alone."""
    try:
        return work(group, options, _throttle(on_event), stop, attempt)
    except UserError as error:
        return Ended(error=str(error))
    except Exception as error:
        traceback.print_exc()
        return Ended(error=kind_and_reason(error))


def _throttle(on_event: Listener) -> Listener:
    """A listener that passes on only what is displayed: steps and scored episodes at intervals, the end of each
    validation and test, and messages."""
    throttle = Throttle(_SHOWN_SECONDS)

    def pass_on(event: Event) -> None:
        shown = isinstance(event, Step | Scored) and throttle.due(time.monotonic(), ends_something(event))
        if shown or isinstance(event, Said):
            on_event(event)

    return pass_on


def complete_runs(jobs: Sequence[Job], watch: Watch, anew: Collection[int] = ()) -> tuple[tuple[Outcome, ...], bool]:
    """Completes runs that differ only in their seeds, which train together; those with seeds in `anew` from the
    beginning. Returns the outcome of each, and whether anything was left to do.

    Raises Interrupted if `watch.stop` asks for it, but never before some work is done."""
    for job in jobs:
        job.check()
    with ExitStack() as locks:
        statuses = {job.seed: _locked_status(locks, job, watch.keep, job.seed in anew) for job in jobs}
        outcomes = {seed: _outcome_before(status) for seed, status in statuses.items()}
        left = [status for seed, status in statuses.items() if status is not None and outcomes[seed] is None]
        groups = resumable_groups(left)
        for group in groups:
            try:
                infos = train_runs([each.job for each in group], [each.info for each in group], watch)
                statuses |= {each.job.seed: RunStatus(each.job, info) for each, info in zip(group, infos, strict=True)}
            except Busy:  # another process trains the run whose weights these evaluate
                outcomes |= {status.job.seed: Outcome.BUSY for status in group}
        todo = [status for seed, status in statuses.items() if status is not None and outcomes[seed] is None]
        for status in todo:
            worked = bool(groups) or status.job.seed != left[0].job.seed
            outcomes[status.job.seed] = _evaluate_missing(status, watch, worked)
        return tuple(outcome for outcome in outcomes.values() if outcome is not None), bool(todo)


def _locked_status(locks: ExitStack, job: Job, keep: Collection[int], force: bool) -> RunStatus | None:
    """Locks a run and reads its status; a new run continues a shorter training if it can. Returns None if another
    process is working on the run."""
    try:
        locks.enter_context(lock(job.folder))
    except Busy:
        return None
    if force:
        _clear(job.folder)
    status = RunStatus.read(job)
    if not (force or status.info or job.kind.weights_of):
        status = RunStatus(job, lengthen.start_from_shorter(job, keep))
    if status.is_trained:
        layout.drop_checkpoints(job.folder)  # still there if the end of a run was cut off
    return status


def _outcome_before(status: RunStatus | None) -> Outcome | None:
    """The outcome of a run that needs no work; None if something is left to do."""
    if status is None:
        return Outcome.BUSY
    return Outcome.SKIPPED if status.outcome is Outcome.FINISHED else status.outcome


def _evaluate_missing(status: RunStatus, watch: Watch, worked: bool) -> Outcome | None:
    """Makes the missing evaluations of a trained run, and returns its outcome. If some work was already done
    (`worked`), it may stop before the next evaluation, because an interrupted evaluation leaves nothing to resume
    from."""
    for at, found in status.evaluations.items():
        if found is not None:
            continue
        if worked and watch.stop():
            raise Interrupted(f"before the evaluation at iteration {at}")
        status.evaluations[at] = evaluate_at(status.job, status.info, at, watch.on_event)
        worked = True
    return status.outcome


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
