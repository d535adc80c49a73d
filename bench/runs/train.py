"""Trains runs that differ only in their seeds, and writes their records."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from bench import devices, files, records
from bench.records import layout
from bench.records.locks import lock, was_deleted
from bench.runs import lengthen, recording
from bench.runs.job import Job
from bench.runs.memory import halving_chunks
from bench.training import modes, outer_loop
from bench.training.compiling import announce
from bench.training.execution import Execution
from bench.training.execution_record import ExecutionRecord
from bench.training.progress import Progress
from bench.training.watch import Listener, Said, Watch
from bench.training.workload import Workload


def train_runs(jobs: Sequence[Job], infos: Sequence[dict[str, Any]], watch: Watch) -> list[dict[str, Any]]:
    """Trains runs that differ only in their seeds, together; writes their records and returns them. `infos`: the
    records so far, empty for a run that has not started."""
    if jobs[0].kind.weights_of is not None:
        return [_copy_weights(job, watch) for job in jobs]
    # A run that goes on is validated as it was begun, whatever preset with the same training asks for it now.
    begun = [replace(job, preset=info.get("preset", job.preset)) for job, info in zip(jobs, infos, strict=True)]
    kept = _Records([job.validating() for job in begun], infos, watch.on_event)
    devices.forget_peak_memory(jobs[0].workload.device)
    workload = kept.jobs[0].workload
    progress = halving_chunks(workload, len(jobs), lambda smaller: _attempt(smaller, kept, watch), watch.on_event)
    return kept.finish(progress)


@dataclass
class _Records:
    """The records of runs that train together, as on disk; empty for a run that has not started."""

    jobs: Sequence[Job]
    infos: Sequence[dict[str, Any]]
    on_event: Listener

    def begin(self, how: ExecutionRecord) -> None:
        """Records that the runs start or resume, and how they are executed."""
        self.infos = [self._start_or_resume(job, info, how) for job, info in zip(self.jobs, self.infos, strict=True)]

    def _start_or_resume(self, job: Job, info: dict[str, Any], how: ExecutionRecord) -> dict[str, Any]:
        if info:
            return recording.resume_record(job.folder, info, how)
        splits = ("train", "valid") if job.workload.tested_here else ("train",)
        digests = {split: job.stream(split).digest for split in splits}
        return recording.start_record(job.folder, job.about, digests, how)

    def save(self, iteration: int) -> None:
        """Records that every run has a checkpoint of this iteration."""
        self.infos = [info | {"iteration": iteration} for info in self.infos]
        for job, info in zip(self.jobs, self.infos, strict=True):
            files.write_sealed(job.folder / layout.RECORD, info)
            self._warn_if_deleted(job)

    def finish(self, progress: Progress) -> list[dict[str, Any]]:
        """Writes and returns the final records."""
        finished = []
        for place, (job, info) in enumerate(zip(self.jobs, self.infos, strict=True)):
            finished.append(recording.finish_record(job.folder, info, progress, place, job.workload.device))
            self._warn_if_deleted(job)
        return finished

    def _warn_if_deleted(self, job: Job) -> None:
        if was_deleted(job.folder):
            self.on_event(
                Said(
                    f"{job.folder} was deleted; it was written again with everything that this run still has in memory"
                )
            )


def _attempt(workload: Workload, kept: _Records, watch: Watch) -> Progress:
    seeds, folders = [job.seed for job in kept.jobs], [job.folder for job in kept.jobs]
    initial = [workload.initial_state(seed) for seed in seeds]
    streams, validates = [workload.stream("train", seed) for seed in seeds], workload.protocol.training.validations > 0
    valid, precision = workload.stream("valid") if validates else None, workload.protocol.evaluation.precision

    def prepared(runner: Execution) -> tuple[outer_loop.Trainer, Any]:
        validation = replace(runner, chunk=workload.evaluation_chunk(), precision=precision)
        trained = workload.build(runner.layers, runner.precision)
        tested = workload.build(validation.layers, validation.precision, "valid")
        as_tested = partial(workload.state_for, "valid")
        trainer = outer_loop.Trainer(
            trained, tested, workload.protocol, runner, validation, streams, valid, folders, kept.save, as_tested
        )
        with announce(runner, watch.on_event):
            return trainer, trainer.prepare(initial)

    trainer, begun = modes.first_that_runs(workload.training_executions(len(seeds)), prepared, watch.on_event)
    kept.begin(ExecutionRecord.of(trainer.execution, trainer.validation, seeds))
    return trainer.run(begun, replace(watch, keep=(*watch.keep, *kept.jobs[0].milestones)))


def _copy_weights(job: Job, watch: Watch) -> dict[str, Any]:
    """Copies the weights of the other method's run with the same benchmark, training and seed, which is trained first
    if it is missing."""
    source = job.weights_job
    with lock(source.folder):
        info = records.read_info_if_any(source.folder) or lengthen.start_from_shorter(source, watch.keep)
        if info.get("status", "unfinished") == "unfinished":
            (info,) = train_runs([source], [info], watch)
    job.folder.mkdir(parents=True, exist_ok=True)
    info["files"] = {name: total for name, total in info["files"].items() if name != layout.OPTIMISER}
    for name in info["files"]:
        path = records.checked_path(source.folder, name, info["files"])
        files.write_atomically(job.folder / name, partial(shutil.copyfile, path))
    info = info | job.about_run | {"weights_of": source.name, **job.about_request}
    files.write_sealed(job.folder / layout.RECORD, info)
    return info
