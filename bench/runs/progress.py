"""The speed of training and scoring, and the remaining time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from bench.training.watch import Scored, Step


class Reading(NamedTuple):
    """Progress: `done` of `total` iterations or episodes, `counted` of them since the first event, the last validation
    score, and times in seconds; unknown values are None."""

    done: int
    total: int
    counted: int
    valid: float | None
    seconds_each: float | None
    seconds_left: float | None


@dataclass
class Pace:
    """Measures the progress of one seed group from its steps and scored episodes; a count that does not grow starts a
    new measurement."""

    iterations: int
    _valid: float | None = field(default=None, init=False)
    _counts: dict[str, tuple[int, float, int]] = field(default_factory=dict, init=False)  # first, its time, last

    def read(self, event: Step | Scored, now: float) -> Reading:
        """The progress at `now`, a time of `time.monotonic`."""
        if isinstance(event, Step):
            kind, done, total = "train", event.iteration, self.iterations
            self._valid = event.valid if event.valid is not None else self._valid
        else:
            kind, done, total = event.split, event.done, event.count
        first, since, last = self._counts.get(kind, (done, now, done))
        if done <= last:
            first, since = done, now
        self._counts[kind] = first, since, done
        each = (now - since) / (done - first) if done > first else None
        return Reading(done, total, done - first, self._valid, each, each if each is None else each * (total - done))


@dataclass
class Throttle:
    """Allows something at most once in `seconds`."""

    seconds: float
    last: float = -math.inf

    def due(self, now: float, always: bool = False) -> bool:
        """Whether the interval has passed, or `always` is set; if so, the next interval starts now."""
        due = always or now - self.last > self.seconds
        self.last = now if due else self.last
        return due


def ends_something(event: Step | Scored) -> bool:
    """Whether an event ends a validation or a test."""
    return event.valid is not None if isinstance(event, Step) else event.done == event.count


def duration(seconds: float) -> str:
    """A duration as text: 42 s, 3 min, 2.5 h, 3.1 days."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 2 * 86_400 else f"{seconds / 86_400:.1f} days"
