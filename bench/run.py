"""One run from its keys to its record: train unless trained, evaluate unless evaluated, lose nothing."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from bench import (
    account,
    checkpoints,
    environment,
    episodes,
    evaluate,
    event_files,
    execution,
    ongoing,
    own,
    records,
    train,
)
from bench.benchmarks import FUNCTIONS
from bench.errors import UserError
from bench.execution import Execution
from bench.fits import fit
from bench.foreign import Checkpoint, finn
from bench.job import Job, initial_state
from bench.locks import Busy, Say, locked, missed
from bench.networks import conv4
from bench.standing import evaluated_at, going_on_together, has, is_complete, lacks_scores, read_if_any, weights_of
from methods.contract import State

Result = TypeVar("Result")


def complete(jobs: Sequence[Job], watch: train.Watch, force: bool = False) -> tuple[tuple[str, ...], bool]:
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
        account.drop_checkpoints(job.folder)  # which are left where the end of a run was cut off
    if info is None or not is_complete(job, info):
        return ""
    return "diverged" if lacks_scores(job, info) else "skipped"


def _tested(job: Job, watch: train.Watch, worked: bool) -> str:
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
            raise train.Interrupted(f"before its evaluation after {at} iterations")
        _evaluate(job, info, at, watch.say, watch.scored)
        worked = True
    return "diverged" if lacks_scores(job, info) else "finished"


def evaluated(job: Job, at: int | None, say: Say, told: evaluate.Told) -> records.Evaluated:
    """Evaluates a trained run's weights at iteration `at` (None: as the evaluation says) and adds the scores to it.

    Raises Busy where another process works on it."""
    with locked(job.folder):
        return _evaluate(job, records.read_info(job.folder), at, say, told)


def adopt(job: Job, checkpoint: Checkpoint) -> None:
    """Makes a finished run of weights that were trained elsewhere, unless it is there: `evaluated` then evaluates it
    as any other. Raises Busy, or UserError where the weights are not those of the benchmark's network."""
    params = finn.params(checkpoint.variables, conv4(job.benchmark, job.protocol.training), job.benchmark.ways)
    with locked(job.folder):
        if read_if_any(job.folder) is None:
            account.adopted(job, State(params, {}), checkpoint.about())


def _evaluate(job: Job, info: dict[str, Any], at: int | None, say: Say, told: evaluate.Told) -> records.Evaluated:
    """Adds an evaluation to the record, with scores that are no numbers where outputs are not finite."""
    iteration, name = weights_of(job.folder, info, job.protocol.evaluation, at)
    found = scored(job, records.checked(job.folder, name, info["files"]), iteration, say, told)
    records.write_evaluation(job.folder, found.evaluation, iteration, found.step, found.scores, found.info)
    return found


def scored(
    job: Job, weights: Path, iteration: int, say: Say, told: evaluate.Told = evaluate.nobody
) -> records.Evaluated:
    """The scores of these weights, of that iteration, under the job's evaluation; nothing is written."""
    return _through_shortage([job], lambda smaller: _scored(smaller[0], weights, iteration, say, told), say)


def _scored(job: Job, weights: Path, iteration: int, say: Say, told: evaluate.Told) -> records.Evaluated:
    evaluation, started = job.protocol.evaluation, time.monotonic()
    loaded = checkpoints.load_state(weights, job.device)
    state = checkpoints.fitted(weights, loaded, initial_state(job.build(), job.seed))
    valid = job.source("valid", episodes.EVALUATION_SEED, evaluation.queries)
    test = job.source("test", episodes.EVALUATION_SEED, evaluation.queries)

    def attempt(runner: Execution) -> tuple[Execution, evaluate.Choice, np.ndarray, dict[str, Any]]:
        method = job.build(runner.layers, runner.precision)
        # A method with nothing to choose needs no validation here: one episode shows which step is its last.
        choice = evaluate.choose(runner, method, state, valid, 1, evaluation.finetune_episodes, told)
        found = evaluate.scores(runner, method, state, test, evaluation.episodes, choice.setting, told)
        kept = {"fit": fit(runner, method, state, test, choice)} if job.benchmark.form == FUNCTIONS else {}
        return runner, choice, found, kept

    runner, choice, scores, kept = execution.first_that_runs(job.evaluation_executions(), attempt, say)
    about = {
        "command": job.command,
        "setting": dict(choice.setting),
        "score": job.benchmark.measure.name,
        "seconds": time.monotonic() - started,
        "episodes_digest": account.digest(job, "test", episodes.EVALUATION_SEED, evaluation.queries),
        "execution": account.executed(runner),
        "environment": environment.describe(),
        **kept,
    }
    return records.Evaluated(evaluation, iteration, choice.step, scores, about)


def trained(jobs: Sequence[Job], watch: train.Watch) -> None:
    """Trains runs that differ in their seeds alone, together, and leaves each its record."""
    if jobs[0].kind.weights_of is not None:
        for job in jobs:
            _borrow(job, watch)
        return
    jobs = [job.validating() for job in jobs]
    environment.forget_peak_memory(jobs[0].device)
    with watch.stop:
        infos, progress = _through_shortage(jobs, lambda smaller: _attempt(smaller, watch), watch.say)
    for place, (job, info) in enumerate(zip(jobs, infos, strict=True)):
        account.finished(job, info, progress, place)
        missed(job.folder, watch.say)


def _through_shortage(jobs: Sequence[Job], attempt: Callable[[Sequence[Job]], Result], say: Say) -> Result:
    """The attempt's result; where the memory does not suffice the chunk is halved, and the attempt made again. Raises
    UserError for whatever goes wrong in the work of a user's own method."""
    while True:
        try:
            return attempt(jobs)
        except (UserError, train.Interrupted):
            raise
        except (Exception, SystemExit) as error:
            if not execution.out_of_memory(error):
                if jobs[0].own is None:
                    raise
                raise own.mistake(jobs[0].own, error) from error
            chunk = execution.smaller(jobs[0].training_executions(len(jobs))[0].chunk, jobs[0].evaluation_chunk())
        say(f"out of memory: going on with {chunk} at a time, from the last checkpoint")
        environment.forget_garbage(jobs[0].device)  # outside of `except`, whose traceback holds the tensors
        jobs = [replace(job, chunk=chunk) for job in jobs]


def _attempt(jobs: Sequence[Job], watch: train.Watch) -> tuple[list[dict[str, Any]], ongoing.Progress]:
    first, initial = jobs[0], [initial_state(job.build(), job.seed) for job in jobs]
    infos: list[dict[str, Any]] = []

    def saved(iteration: int) -> None:
        for job, info in zip(jobs, infos, strict=True):
            records.write_json(job.folder / records.RECORD, info | {"iteration": iteration})
            missed(job.folder, watch.say)

    training, evaluation = first.protocol.training, first.protocol.evaluation
    sources = [job.source("train", job.seed, training.queries) for job in jobs]
    valid = first.source("valid", episodes.EVALUATION_SEED, evaluation.queries)
    folders = [job.folder for job in jobs]

    def prepared(runner: Execution) -> tuple[train.Trainer, Any]:
        validation = replace(runner, chunk=first.evaluation_chunk(), precision=evaluation.precision)
        trained, tested = (first.build(each.layers, each.precision) for each in (runner, validation))
        trainer = train.Trainer(trained, tested, first.protocol, runner, validation, sources, valid, folders, saved)
        return trainer, trainer.prepare(initial)

    trainer, begun = execution.first_that_runs(first.training_executions(len(jobs)), prepared, watch.say)
    how = account.executed(trainer.execution, trainer.validation, [job.seed for job in jobs])
    infos += [account.begun(job, read_if_any(job.folder), how) for job in jobs]
    return infos, trainer.run(begun, replace(watch, keep=(*watch.keep, *first.milestones)))


def _borrow(job: Job, watch: train.Watch) -> None:
    """The weights of another method's run of the same keys, which is trained first where it is missing."""
    lender = job.lender
    with locked(lender.folder):
        info = read_if_any(lender.folder)
        if info is None or info["status"] == "unfinished":
            trained([lender], watch)
            info = records.read_info(lender.folder)
    job.folder.mkdir(parents=True, exist_ok=True)
    for name in info["files"]:
        source = records.checked(lender.folder, name, info["files"])
        records.write_atomically(job.folder / name, lambda path, source=source: shutil.copyfile(source, path))
    info = info | account.keys(job) | {"weights_of": lender.name, **account.asked(job)}
    records.write_json(job.folder / records.RECORD, info)


def _clear(folder: Path) -> None:
    for path in [
        folder / records.RECORD,
        folder / records.PICTURES,
        *folder.glob("*.safetensors"),
        *folder.glob("*.parquet"),
    ]:
        path.unlink(missing_ok=True)
    event_files.forget(folder)
    shutil.rmtree(folder / "evaluations", ignore_errors=True)
