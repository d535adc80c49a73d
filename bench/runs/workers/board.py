"""Displays all running seed groups: in a terminal, and as events for machines."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rich.progress import Progress

from bench.protocols import presets
from bench.runs.display import Display
from bench.runs.groups import Ended, GroupEvent, SeedGroup, Started
from bench.runs.progress import Pace, Throttle, ends_something
from bench.training.watch import Said, Scored, Step

_EVENT_SECONDS = 1.0


@dataclass
class Board:
    """A GroupListener that displays each running group. `bars` must be entered as a context manager."""

    groups: Sequence[SeedGroup]
    workers: int
    bars: Progress
    _ended: int = field(default=0, init=False)
    _shown: dict[int, Display] = field(default_factory=dict, init=False)

    def __call__(self, place: int, event: GroupEvent) -> None:
        """Displays an event."""
        if isinstance(event, Started | Ended) and place in self._shown:
            self._shown.pop(place).close()
        match event:
            case Started():
                self._shown[place] = self._display(self.groups[place])
            case Ended():
                self._ended += 1
            case _ if place in self._shown:
                self._shown[place](event)

    def _display(self, group: SeedGroup) -> Display:
        first, remaining = group.jobs[0], math.ceil((len(self.groups) - self._ended) / self.workers)
        full = presets.preset("paper", first.benchmark).training.iterations if first.preset == "quick" else None
        iterations = first.protocol.training.iterations
        return Display(group.name, first.benchmark.measure, self.bars, iterations, remaining, full)


@dataclass
class Reporter:
    """A GroupListener that reports events to machines. `emit` gets the name of an event, and its fields."""

    groups: Sequence[SeedGroup]
    emit: Callable[..., None]
    _known: dict[int, tuple[Pace, Throttle]] = field(default_factory=dict, init=False)

    def __call__(self, place: int, event: GroupEvent) -> None:
        """Reports an event, unless the last report was too recent."""
        match event:
            case Started():
                iterations = self.groups[place].jobs[0].protocol.training.iterations
                self._known[place] = Pace(iterations), Throttle(_EVENT_SECONDS)
            case Said(line):
                self._emit(place, "note", text=line)
            case Step() | Scored() if place in self._known:
                self._progress(place, event, time.monotonic())

    def _progress(self, place: int, event: Step | Scored, now: float) -> None:
        pace, throttle = self._known[place]
        reading = pace.read(event, now)
        if not throttle.due(now, ends_something(event) or reading.done == reading.total):
            return
        left, each = reading.seconds_left, reading.seconds_each
        if isinstance(event, Scored):
            self._emit(place, "scoring", split=event.split, episodes=event.done, of=event.count, seconds_left=left)
            return
        self._emit(
            place,
            "progress",
            iteration=event.iteration,
            iterations=reading.total,
            train_loss=event.loss,
            measure=self.groups[place].jobs[0].benchmark.measure.name,
            valid_score=reading.valid,
            steps_per_second=1 / each if each else None,
            seconds_left=left,
        )

    def _emit(self, place: int, kind: str, **fields: object) -> None:
        first, seeds = self.groups[place].jobs[0], [job.seed for job in self.groups[place].jobs]
        about = {"benchmark": first.benchmark.name, "method": first.method, "training_hash": first.key.hash}
        self.emit(kind, **about, seeds=seeds, **fields)
