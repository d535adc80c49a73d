"""Estimates how long planned runs would train."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench import records
from bench.errors import numbered_seeds
from bench.runs import lengthen
from bench.runs.groups import SeedGroup
from bench.runs.job import Job
from bench.runs.progress import duration
from bench.runs.step_times import StepTimes
from bench.training.watch import Listener


def lines(groups: Sequence[SeedGroup], workers: int, on_event: Listener) -> list[str]:
    """A line with the total training time by this many workers, then one per planned cell with the time that is left to
    train. A training that several runs share is counted once."""
    known, seen = StepTimes(on_event), set[Path]()
    cells: dict[str, list[tuple[Sequence[Job], float, str]]] = {}
    for group in groups:
        seconds, known_by = _took(group, known, seen)
        first = group.jobs[0]
        cell = f"{first.benchmark.name} {first.method} {first.key.hash}, {first.described_protocol}"
        cells.setdefault(cell, []).append((group.jobs, seconds, known_by))
    times = [seconds for parts in cells.values() for _, seconds, _ in parts]
    took = f"one after another: about {duration(sum(times))}"
    if workers > 1:
        took = f"about {duration(_makespan(times, workers))} with {workers} workers, each as fast as one alone; {took}"
    told = [f"  {cell}, {_told(parts)}" for cell, parts in cells.items()]
    return [f"training, validation and test not included, {took}", *told]


def training_seconds(job: Job, known: StepTimes) -> float:
    """The time, in seconds, of the whole training of one seed."""
    trained = job.weights_job
    return known.of([trained]).of(trained.protocol.training.iterations)


def _took(group: SeedGroup, known: StepTimes, seen: set[Path]) -> tuple[float, str]:
    """The seconds that are left to train in a group, and what the estimate is based on; adds the group's folders to
    `seen`."""
    trained = {job.folder: job for job in (each.weights_job for each in group.jobs) if job.folder not in seen}
    seen.update(trained)
    anew = {job.folder for job in group.jobs if job.seed in group.anew}
    left = {folder: _iterations_left(job, folder in anew) for folder, job in trained.items()}
    together = [job for folder, job in trained.items() if left[folder]]
    if not together:
        return 0.0, ""
    time = known.of(together)
    return time.of(max(left.values())), time.known_by


def _told(parts: Sequence[tuple[Sequence[Job], float, str]]) -> str:
    known_by = next((known_by for _, _, known_by in parts if known_by), "")
    took = f"about {duration(sum(part[1] for part in parts))} ({known_by})" if known_by else "nothing to train"
    return f"{numbered_seeds(job.seed for group, _, _ in parts for job in group)}: {took}"


def _makespan(times: Sequence[float], workers: int) -> float:
    """The time until all workers are done, if each group in turn is given to the worker that is free first."""
    busy = [0.0] * workers
    for each in times:
        busy[busy.index(min(busy))] += each
    return max(busy)


def _iterations_left(job: Job, anew: bool) -> int:
    """The number of iterations that a run still has to train. Raises Corrupt."""
    if anew:
        return job.protocol.training.iterations
    info = records.read_info_if_any(job.folder)
    if not info:
        shorter = lengthen.longest(job)
        return job.protocol.training.iterations - (shorter.iterations if shorter else 0)
    return job.protocol.training.iterations - info["iteration"] if info["status"] == "unfinished" else 0
