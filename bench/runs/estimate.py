"""How long runs that are planned would train: by the rate of records made on this machine, else of a few meta-steps."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench import provenance, records
from bench.protocols import settings
from bench.protocols.protocol import Training
from bench.records import fields, layout
from bench.runs import complete
from bench.runs.job import Job
from bench.runs.progress import duration
from bench.training import watch
from bench.training.execution import EAGER, GRAPH

_STEPS, _FEWEST = 4, 20  # meta-steps to measure; iterations of a record that has a rate to speak of


@dataclass(frozen=True)
class Rate:
    """Seconds a meta-step of a training takes, and by what that is known."""

    seconds: float
    known_by: str


def lines(groups: Sequence[Sequence[Job]], workers: int, on_event: watch.Listener) -> list[str]:
    """The groups that are planned, each with the time that is left to train, of which no run takes any twice, and all
    of it, by so many workers."""
    found, times, rates, seen = [], [], {}, set[Path]()
    for group in groups:
        trained = {job.folder: job for job in map(_trained, group)}
        left = sum(_left(job) for folder, job in trained.items() if folder not in seen)
        seen |= trained.keys()
        job = next(iter(trained.values()))
        key = (job.benchmark, job.method, _alike(job.protocol.training))
        if left and key not in rates:
            rates[key] = _rate(job, on_event)
        times.append(left * rates[key].seconds if left else 0.0)
        took = f"about {duration(times[-1])} ({rates[key].known_by})" if left else "nothing to train"
        seeds = ",".join(str(each.seed) for each in group)
        found.append(f"  {job.benchmark.name} {group[0].method} {job.preset} {job.key.hash}, seeds {seeds}: {took}")
    took = f"one group after the other: about {duration(sum(times))}"
    if workers > 1:
        took = f"{workers} workers, each as fast as one alone: about {duration(_spread(times, workers))}; {took}"
    return [f"training, without validation and test, {took}", *found]


def _spread(times: Sequence[float], workers: int) -> float:
    """When the last of some workers is done, if each group is begun in turn by whoever is free first."""
    busy = [0.0] * workers
    for each in times:
        busy[busy.index(min(busy))] += each
    return max(busy)


def _trained(job: Job) -> Job:
    """The run that is trained: another method's, where the job's evaluates that one's weights."""
    return job if job.kind.weights_of is None else job.weights_job


def _left(job: Job) -> int:
    """Iterations that a run still has to train."""
    info = _info(job.folder) or {"status": "unfinished", "iteration": 0}
    return job.protocol.training.iterations - info["iteration"] if info["status"] == "unfinished" else 0


def _rate(job: Job, on_event: watch.Listener) -> Rate:
    known = max(_recorded(job), key=lambda info: info["iteration"], default=None)
    if known is not None:
        return Rate(
            known["seconds"]["training"] / known["iteration"], f"by a record of {known['iteration']} iterations"
        )
    on_event(watch.Said(f"measuring {_STEPS} meta-steps of {job.method} on {job.benchmark.name}"))
    return _measured(job)


def _recorded(job: Job) -> Iterator[dict[str, Any]]:
    """The finished runs here whose meta-steps cost the same: benchmark, method, settings, device and processor."""
    here = provenance.describe()
    for folder in layout.folders(job.results):
        info = _info(folder)
        if (
            info is not None
            and (info["benchmark"], info["method"], info["status"]) == (job.benchmark.name, job.method, "finished")
            and info["iteration"] >= _FEWEST
            and info["execution"].get("device") == str(job.workload.device)
            and all(info["environment"].get(name) == here[name] for name in ("processor", "gpu"))
            and info.get("seconds", {}).get("training")
            and _alike(settings.from_fields(Training, info["training"])) == _alike(job.protocol.training)
        ):
            yield info


def _measured(job: Job) -> Rate:
    """By steps of the real run in a folder that does not stay; not compiled, which would take longer than they do."""
    workload = job.workload
    mode = workload.mode or (GRAPH if workload.device.type == "cuda" else EAGER)
    times: list[float] = []

    def on_event(event: watch.Event) -> None:
        if isinstance(event, watch.Step):
            times.append(time.monotonic())

    with tempfile.TemporaryDirectory() as folder:
        trial = replace(job.with_workload(mode=mode), results=Path(folder), place=None)
        with suppress(watch.Interrupted):
            complete.complete_runs([trial], watch.Watch(on_event, lambda: len(times) >= _STEPS))
    faster = "" if workload.training_executions(1)[0].mode == mode else "; compiled, as it would run, it is faster"
    # The first warms up and is left out; the checkpoint at the end waits for the device.
    seconds = (time.monotonic() - times[0]) / max(1, len(times) - 1)
    return Rate(seconds, f"by {_STEPS} meta-steps measured here, {mode}{faster}")


def _alike(training: Training) -> Training:
    """Without what costs a meta-step nothing."""
    return replace(training, iterations=1, validations=1, validation_episodes=1)


def _info(folder: Path) -> dict[str, Any] | None:
    """The record in a folder, or None where there is none that can be read."""
    try:
        return records.read_info(folder)
    except fields.Corrupt:
        return None
