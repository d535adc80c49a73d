"""The time of an iteration on this machine: from a record, an earlier measurement, or a new one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch

from bench import provenance, records
from bench.protocols import settings
from bench.protocols.protocol import Training, digest
from bench.records import fields, layout
from bench.runs import measurement_cache
from bench.runs.job import Job
from bench.runs.measured_steps import Timed, costly, one_chunk, time_steps
from bench.runs.memory import halving_chunks
from bench.training import modes
from bench.training.execution import Execution
from bench.training.watch import Listener, Said
from bench.training.workload import Workload

_SECONDS, _ALL_SECONDS = 1.0, 10.0  # spent on measuring one kind of training, and on all measurements of a command
_FEWEST = 20  # iterations that a record needs for its rate to be used


@dataclass(frozen=True)
class StepTime:
    """The seconds per iteration of a seed group, what they are known from, and the seconds of compilation before the
    first."""

    seconds: float
    known_by: str
    compiling: float = 0.0

    def of(self, iterations: int) -> float:
        """The seconds that one process needs for this many iterations."""
        return iterations * self.seconds + self.compiling if iterations else 0.0


@dataclass
class StepTimes:
    """The step times of seed groups; each kind of training is looked up or measured once."""

    on_event: Listener
    _spent: float = field(default=0.0, init=False)
    _known: dict[Any, StepTime] = field(default_factory=dict, init=False)

    def of(self, group: Sequence[Job]) -> StepTime:
        """The step time of runs that train together, none of which only evaluates."""
        job = group[0]
        planned = job.workload.training_executions(len(group))[0]
        key = (job.benchmark, job.method, len(group), planned, costly(job.protocol.training))
        if key not in self._known:
            self._known[key] = self._recorded(group, planned) or self._measure(group, planned)
        return self._known[key]

    def _recorded(self, group: Sequence[Job], planned: Execution) -> StepTime | None:
        """The step time from the longest finished training here whose meta-steps cost the same and ran in the same
        way."""
        info = max(self._alike(group, planned), key=lambda each: each["iteration"], default=None)
        if info is None:
            return None
        seconds = info["seconds"]["training"] / info["iteration"]
        return StepTime(seconds, f"from a record of {info['iteration']} iterations", _compiling(group[0], planned))

    def _alike(self, group: Sequence[Job], planned: Execution) -> Iterator[dict[str, Any]]:
        job, cost = group[0], costly(group[0].protocol.training)
        ran = {"device": str(planned.device), "mode": planned.mode, "threads": torch.get_num_threads()}
        for folder in layout.folders(job.results, job.benchmark.name, job.method):
            info = _info(folder)
            if (
                info is not None
                and info["status"] == "finished"
                and info["iteration"] >= _FEWEST
                and ran.items() <= info["execution"].items()
                and len(info["execution"].get("seeds") or [0]) == len(group)
                and all(info["environment"].get(name) == self._machine[name] for name in ("processor", "gpu"))
                and not info.get("resumed")
                and info.get("seconds", {}).get("training")
                and costly(settings.from_fields(Training, info["training"])) == cost
            ):
                yield info

    def _measure(self, group: Sequence[Job], planned: Execution) -> StepTime:
        """The step time from meta-steps of one chunk of episodes, since every chunk takes the same time. Compiled steps
        are measured uncompiled, and the time that compiling saved in earlier measurements is subtracted."""
        workload, chunks = one_chunk(group[0], planned)
        key = self._key(group, workload, planned)
        seconds, told = measurement_cache.recall(key), "from meta-steps measured here earlier"
        if seconds is None:
            self.on_event(Said(f"measuring meta-steps of {group[0].method} on {group[0].benchmark.name}"))
            seconds, busy = self._time(group, workload)
            told = f"from meta-steps measured here{', while other programs ran' if busy else ''}"
            if not busy:
                measurement_cache.remember(key, seconds)
        saved = group[0].workload.network().saved_by_compiling(planned.device.type) if planned.compiled else 0.0
        how = f"{workload.mode}, minus {saved:.0%} for compiling" if planned.compiled else workload.mode
        return StepTime(chunks * seconds * (1 - saved), f"{told}, {how}", _compiling(group[0], planned))

    def _time(self, group: Sequence[Job], workload: Workload) -> Timed:
        seeds, started = [job.seed for job in group], time.monotonic()
        budget = min(_SECONDS, _ALL_SECONDS - self._spent)

        def attempt(smaller: Workload) -> Timed:
            measure = partial(time_steps, smaller, seeds, budget)
            return modes.first_that_runs(smaller.training_executions(len(seeds)), measure, self.on_event)

        found = halving_chunks(workload, len(seeds), attempt, self.on_event)
        self._spent += time.monotonic() - started
        return found

    def _key(self, group: Sequence[Job], workload: Workload, planned: Execution) -> str:
        """A digest of everything that the measured time depends on: computation, code and machine."""
        job, benchmark = group[0], workload.benchmark
        where = {name: self._machine[name] for name in ("processor", "gpu", "packages", "sources")}
        what = [benchmark.form, benchmark.input_shape, benchmark.ways, benchmark.shots, job.method, len(group)]
        how = [str(planned.device), torch.get_num_threads(), workload.mode, workload.chunk]
        return digest(where, what, how, asdict(costly(workload.protocol.training)))

    @cached_property
    def _machine(self) -> dict[str, Any]:
        return provenance.describe()


def _compiling(job: Job, planned: Execution) -> float:
    return job.workload.network().compilation_seconds(planned.device.type) if planned.compiled else 0.0


def _info(folder: Path) -> dict[str, Any] | None:
    """The record in a folder, or None if it cannot be read."""
    try:
        return records.read_info(folder)
    except fields.Corrupt:
        return None
