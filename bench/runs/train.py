"""Trains runs that differ in their seeds alone, and leaves each its record."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bench import devices, files, records
from bench.episodes import sampling
from bench.records import layout
from bench.records.locks import locked, was_deleted
from bench.runs import recording
from bench.runs.job import Job
from bench.runs.memory import halving_chunks
from bench.runs.status import read_if_any
from bench.training import checkpoint, modes, outer_loop, watch
from bench.training.execution import Execution
from bench.training.initial import initial_state


def trained(jobs: Sequence[Job], watch: watch.Watch) -> None:
    """Trains runs that differ in their seeds alone, together, and leaves each its record."""
    if jobs[0].kind.weights_of is not None:
        for job in jobs:
            _borrow(job, watch)
        return
    jobs = [job.validating() for job in jobs]
    devices.forget_peak_memory(jobs[0].device)
    infos, progress = halving_chunks(jobs, lambda smaller: _attempt(smaller, watch), watch.on_event)
    for place, (job, info) in enumerate(zip(jobs, infos, strict=True)):
        recording.finished(job, info, progress, place)
        _warn_if_deleted(job, watch)


def _attempt(jobs: Sequence[Job], watch: watch.Watch) -> tuple[list[dict[str, Any]], checkpoint.Progress]:
    first, initial = jobs[0], [initial_state(job.build(), job.seed) for job in jobs]
    infos: list[dict[str, Any]] = []

    def saved(iteration: int) -> None:
        for job, info in zip(jobs, infos, strict=True):
            records.write_json(job.folder / layout.RECORD, info | {"iteration": iteration})
            _warn_if_deleted(job, watch)

    training, evaluation = first.protocol.training, first.protocol.evaluation
    sources = [job.source("train", job.seed, training.queries) for job in jobs]
    valid = first.source("valid", sampling.EVALUATION_SEED, evaluation.queries)
    folders = [job.folder for job in jobs]

    def prepared(runner: Execution) -> tuple[outer_loop.Trainer, Any]:
        validation = replace(runner, chunk=first.evaluation_chunk(), precision=evaluation.precision)
        trained, tested = (first.build(each.layers, each.precision) for each in (runner, validation))
        trainer = outer_loop.Trainer(
            trained, tested, first.protocol, runner, validation, sources, valid, folders, saved
        )
        return trainer, trainer.prepare(initial)

    trainer, begun = modes.first_that_runs(first.training_executions(len(jobs)), prepared, watch.on_event)
    how = recording.executed(trainer.execution, trainer.validation, [job.seed for job in jobs])
    infos += [recording.begun(job, read_if_any(job.folder), how) for job in jobs]
    return infos, trainer.run(begun, replace(watch, keep=(*watch.keep, *first.milestones)))


def _warn_if_deleted(job: Job, watching: watch.Watch) -> None:
    if was_deleted(job.folder):
        watching.on_event(watch.Said(f"{job.folder} was deleted; it was made anew with all that this run still holds"))


def _borrow(job: Job, watch: watch.Watch) -> None:
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
        files.write_atomically(job.folder / name, lambda path, source=source: shutil.copyfile(source, path))
    info = info | recording.keys(job) | {"weights_of": lender.name, **recording.asked(job)}
    records.write_json(job.folder / layout.RECORD, info)
