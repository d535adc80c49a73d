"""Trainings that begin anew although a shorter one is finished, which a user should know before hours are spent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from bench import records
from bench.errors import UserError
from bench.protocols import settings
from bench.protocols.protocol import Training
from bench.records import layout
from bench.runs.job import Job


def notes(jobs: Sequence[Job]) -> list[str]:
    """A line for each benchmark and method of which a shorter training is finished here, and is not gone on from: the
    record has its weights, but not the state of its optimiser."""
    found: dict[tuple[str, str, int], str] = {}
    for job in jobs:
        for info in _shorter(job):
            asked, there = job.protocol.training.iterations, info["iteration"]
            found.setdefault(
                (job.benchmark.name, job.method, there),
                f"{job.method} is finished after {there} iterations ({info['training_hash']}), but all {asked} are "
                f"trained anew: a finished run keeps no optimiser state. For both in one training: "
                f"--iterations {asked} --keep {there}",
            )
    return list(found.values())


def _shorter(job: Job) -> Iterator[dict[str, Any]]:
    """The finished runs of this seed that differ in their number of iterations alone; none once the job has begun."""
    if (job.folder / layout.RECORD).exists():
        return
    for path in sorted((job.results / job.benchmark.name / job.method).glob(f"*/seed{job.seed}/{layout.RECORD}")):
        try:
            info = records.read_info(path.parent)
            training = settings.from_fields(Training, info["training"])
        except UserError:
            continue
        if _same_but_shorter(job, info, training):
            yield info


def _same_but_shorter(job: Job, info: dict[str, Any], training: Training) -> bool:
    wanted = job.protocol.training
    alike = replace(training, iterations=wanted.iterations, validations=wanted.validations) == wanted
    data = info["data"]["digest"] == job.workload.data.digest
    return alike and data and info["status"] == "finished" and info["iteration"] < wanted.iterations
