"""Trains runs that differ in their seeds alone, and leaves each its record."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench import devices, files, records
from bench.records import layout
from bench.records.locks import Say, locked, missed
from bench.runs import recording
from bench.runs.job import Job
from bench.runs.memory import halving_chunks
from bench.runs.status import RunStatus
from bench.training import checkpoint, modes, outer_loop
from bench.training.execution import Execution
from bench.training.execution_record import ExecutionRecord
from bench.training.watch import Watch


def train_runs(statuses: Sequence[RunStatus], watch: Watch) -> list[RunStatus]:
    """Trains runs that differ in their seeds alone, together, and leaves each its record; their status after that."""
    jobs = [status.job for status in statuses]
    if jobs[0].kind.weights_of is not None:
        return [_copy_weights(job, watch) for job in jobs]
    kept = _Records([job.validating() for job in jobs], [status.info for status in statuses], watch.say)
    devices.forget_peak_memory(jobs[0].workload.device)
    with watch.stop:
        progress = halving_chunks(kept.jobs, lambda smaller: _attempt(smaller, kept, watch), watch.say)
    return [RunStatus(job, info) for job, info in zip(jobs, kept.finish(progress), strict=True)]


@dataclass
class _Records:
    """The records of runs that train together, as they are on disk; empty where a run has not begun."""

    jobs: Sequence[Job]
    infos: Sequence[dict[str, Any]]
    say: Say

    def begin(self, how: ExecutionRecord) -> None:
        """Writes that the runs begin or go on, and how they are executed."""
        each = zip(self.jobs, self.infos, strict=True)
        self.infos = [recording.start_record(job, info, how) for job, info in each]

    def save(self, iteration: int) -> None:
        """Writes that every run has a checkpoint of this iteration."""
        self.infos = [info | {"iteration": iteration} for info in self.infos]
        for job, info in zip(self.jobs, self.infos, strict=True):
            records.write_json(job.folder / layout.RECORD, info)
            missed(job.folder, self.say)

    def finish(self, progress: checkpoint.Progress) -> list[dict[str, Any]]:
        """Writes what became of the runs, and returns it."""
        finished = []
        for place, (job, info) in enumerate(zip(self.jobs, self.infos, strict=True)):
            finished.append(recording.finish_record(job, info, progress, place))
            missed(job.folder, self.say)
        return finished


def _attempt(jobs: Sequence[Job], kept: _Records, watch: Watch) -> checkpoint.Progress:
    first, workload, seeds = jobs[0], jobs[0].workload, [job.seed for job in jobs]
    initial = [workload.initial_state(seed) for seed in seeds]
    streams, valid = [job.stream("train") for job in jobs], first.stream("valid")
    folders, precision = [job.folder for job in jobs], first.protocol.evaluation.precision

    def prepared(runner: Execution) -> tuple[outer_loop.Trainer, Any]:
        validation = replace(runner, chunk=workload.evaluation_chunk(), precision=precision)
        trained, tested = (workload.build(each.layers, each.precision) for each in (runner, validation))
        trainer = outer_loop.Trainer(
            trained, tested, first.protocol, runner, validation, streams, valid, folders, kept.save
        )
        return trainer, trainer.prepare(initial)

    trainer, begun = modes.first_that_runs(workload.training_executions(len(jobs)), prepared, watch.say)
    kept.begin(ExecutionRecord.of(trainer.execution, trainer.validation, seeds))
    return trainer.run(begun, replace(watch, keep=(*watch.keep, *first.milestones)))


def _copy_weights(job: Job, watch: Watch) -> RunStatus:
    """Copies the weights of another method's run of the same keys, which is trained first where it is missing."""
    source = job.weights_job
    with locked(source.folder):
        status = RunStatus.read(source)
        if not status.is_trained:
            (status,) = train_runs([status], watch)
    info = status.info
    job.folder.mkdir(parents=True, exist_ok=True)
    for name in info["files"]:
        path = records.checked(source.folder, name, info["files"])
        files.write_atomically(job.folder / name, lambda copy, path=path: shutil.copyfile(path, copy))
    info = info | recording.keys(job) | {"weights_of": source.name, **recording.asked(job)}
    records.write_json(job.folder / layout.RECORD, info)
    return RunStatus(job, info)
