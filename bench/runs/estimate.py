"""How long runs that are planned would train: by the rate of records made on this machine, else of a few meta-steps."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench import provenance, records
from bench.protocols import settings
from bench.protocols.protocol import Training
from bench.records import fields, layout
from bench.runs import complete
from bench.runs.job import Job
from bench.training import watch
from bench.training.execution import EAGER, GRAPH

_STEPS, _FEWEST = 4, 20  # meta-steps to measure; iterations of a record that has a rate to speak of


@dataclass(frozen=True)
class Rate:
    """Of a training: seconds a meta-step, and by what that is known."""

    seconds: float
    known_by: str


def lines(groups: Sequence[Sequence[Job]], workers: int, say: Callable[[str], None]) -> list[str]:
    """The cells that are planned, each with the time that is left to train, of which no run takes any twice, and all
    of it, by so many workers."""
    found, times, rates, seen = [], [], {}, set[Path]()
    for group in groups:
        trained = {job.folder: job for job in map(_trained, group)}
        left = sum(_left(job) for folder, job in trained.items() if folder not in seen)
        seen |= trained.keys()
        job = next(iter(trained.values()))
        key = (job.benchmark, job.method, _alike(job.protocol.training))
        if left and key not in rates:
            rates[key] = _rate(job, say)
        times.append(left * rates[key].seconds if left else 0.0)
        took = f"{duration(times[-1])} ({rates[key].known_by})" if left else "nothing to train"
        seeds = ",".join(str(each.seed) for each in group)
        found.append(f"  {job.benchmark.name} {group[0].method} {job.preset} {job.key.hash}, seeds {seeds}: {took}")
    took = f"one cell after the other: {duration(sum(times))}"
    if workers > 1:
        took = f"{workers} workers, each as fast as one alone: {duration(_spread(times, workers))}; {took}"
    return [f"training, without validation and test, {took}", *found]


def _spread(times: Sequence[float], workers: int) -> float:
    """When the last of some workers is done, if each cell is begun in turn by whoever is free first."""
    busy = [0.0] * workers
    for each in times:
        busy[busy.index(min(busy))] += each
    return max(busy)


def duration(seconds: float) -> str:
    """Such as `about 2.5 h`."""
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"about {seconds / size:.1f} {unit}"
    return f"about {seconds:.0f} s"


def _trained(job: Job) -> Job:
    """The run that is trained: another method's, where the job's evaluates that one's weights."""
    return job if job.kind.weights_of is None else job.weights_job


def _left(job: Job) -> int:
    """Iterations that a run still has to train."""
    info = _info(job.folder) or {"status": "unfinished", "iteration": 0}
    return job.protocol.training.iterations - info["iteration"] if info["status"] == "unfinished" else 0


def _rate(job: Job, say: Callable[[str], None]) -> Rate:
    known = max(_recorded(job), key=lambda info: info["iteration"], default=None)
    if known is not None:
        return Rate(
            known["seconds"]["training"] / known["iteration"], f"by a record of {known['iteration']} iterations"
        )
    say(f"measuring {_STEPS} meta-steps of {job.method} on {job.benchmark.name}")
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
    after = _After(_STEPS)
    with tempfile.TemporaryDirectory() as folder:
        trial = replace(job.with_workload(mode=mode), results=Path(folder), place=None)
        with suppress(watch.Interrupted):
            complete.complete_runs([trial], watch.Watch(after.step, after, say=lambda line: None))
    faster = "" if workload.training_executions(1)[0].mode == mode else "; compiled, as it would run, it is faster"
    return Rate(after.seconds(time.monotonic()), f"by {_STEPS} meta-steps measured here, {mode}{faster}")


def _alike(training: Training) -> Training:
    """Without what costs a meta-step nothing."""
    return replace(training, iterations=1, validations=1, validation_episodes=1)


def _info(folder: Path) -> dict[str, Any] | None:
    """The record in a folder, or None where there is none that can be read."""
    try:
        return records.read_info(folder)
    except fields.Corrupt:
        return None


@dataclass
class _After:
    """Asks a training to stop after so many meta-steps, and takes the time from the first to the last."""

    steps: int
    _times: list[float] = field(default_factory=list)

    def step(self, iteration: int, loss: float | None, valid: float | None) -> None:
        """Told after every iteration."""
        self._times.append(time.monotonic())

    def seconds(self, end: float) -> float:
        """A meta-step's, the first left out: it warms up. The checkpoint of the end waits for the device."""
        return (end - self._times[0]) / max(1, len(self._times) - 1)

    def __enter__(self) -> _After:
        return self

    def __exit__(self, *_: object) -> None: ...

    def __call__(self) -> bool:
        return len(self._times) >= self.steps
