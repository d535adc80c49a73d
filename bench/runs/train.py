"""Trains runs that differ in their seeds alone, and leaves each its record."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bench import devices, files, records
from bench.records import layout
from bench.records.locks import locked, missed
from bench.runs import recording
from bench.runs.job import Job
from bench.runs.memory import halving_chunks
from bench.runs.status import read_if_any
from bench.training import checkpoint, modes, outer_loop, watch
from bench.training.execution import Execution


def trained(jobs: Sequence[Job], watch: watch.Watch) -> None:
    """Trains runs that differ in their seeds alone, together, and leaves each its record."""
    if jobs[0].kind.weights_of is not None:
        for job in jobs:
            _borrow(job, watch)
        return
    jobs = [job.validating() for job in jobs]
    devices.forget_peak_memory(jobs[0].workload.device)
    with watch.stop:
        infos, progress = halving_chunks(jobs, lambda smaller: _attempt(smaller, watch), watch.say)
    for place, (job, info) in enumerate(zip(jobs, infos, strict=True)):
        recording.finished(job, info, progress, place)
        missed(job.folder, watch.say)


def _attempt(jobs: Sequence[Job], watch: watch.Watch) -> tuple[list[dict[str, Any]], checkpoint.Progress]:
    first, workload = jobs[0], jobs[0].workload
    initial = [workload.initial_state(job.seed) for job in jobs]
    infos: list[dict[str, Any]] = []

    def saved(iteration: int) -> None:
        for job, info in zip(jobs, infos, strict=True):
            records.write_json(job.folder / layout.RECORD, info | {"iteration": iteration})
            missed(job.folder, watch.say)

    streams, valid = [job.stream("train") for job in jobs], first.stream("valid")
    folders = [job.folder for job in jobs]

    def prepared(runner: Execution) -> tuple[outer_loop.Trainer, Any]:
        validation = replace(runner, chunk=workload.evaluation_chunk(), precision=first.protocol.evaluation.precision)
        trained, tested = (workload.build(each.layers, each.precision) for each in (runner, validation))
        trainer = outer_loop.Trainer(
            trained, tested, first.protocol, runner, validation, streams, valid, folders, saved
        )
        return trainer, trainer.prepare(initial)

    trainer, begun = modes.first_that_runs(workload.training_executions(len(jobs)), prepared, watch.say)
    how = recording.executed(trainer.execution, trainer.validation, [job.seed for job in jobs])
    infos += [recording.begun(job, read_if_any(job.folder), how) for job in jobs]
    return infos, trainer.run(begun, replace(watch, keep=(*watch.keep, *first.milestones)))


def _borrow(job: Job, watch: watch.Watch) -> None:
    """The weights of another method's run of the same keys, which is trained first where it is missing."""
    lender = job.weights_job
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
