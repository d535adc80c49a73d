"""Displays progress: a live bar per seed group in a terminal, plain lines at intervals elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column

from bench.protocols.measures import Measure
from bench.runs.progress import Pace, Reading, Throttle, duration
from bench.training.watch import Event, Said, Scored, Step

_PLAIN_SECONDS = 15.0
_LIVE_SECONDS = 0.2
_WARM_STEPS = 5
_SPLITS = {"valid": "validation", "test": "test"}  # in words


@contextmanager
def live_bars(console: Console | None = None) -> Iterator[Progress]:
    """Context manager for the progress bars of all groups; they are drawn only if the console (stderr) is a
    terminal."""
    console = console or Console(stderr=True)
    text = TextColumn("{task.description}", markup=False, table_column=Column(overflow="fold"))
    # Text printed meanwhile appears above the bars; if stdout is a file, it still goes to the file.
    bars = Progress(
        BarColumn(12), text, console=console, transient=True, auto_refresh=False, redirect_stdout=sys.stdout.isatty()
    )
    with bars if console.is_terminal else nullcontext():
        yield bars


@dataclass
class Display:
    """A listener that displays the progress of one seed group. `remaining_runs` counts this group and those after
    it."""

    name: str
    measure: Measure
    bars: Progress
    iterations: int = 0
    remaining_runs: int = 1
    full_iterations: int | None = None
    _estimated: bool = field(default=False, init=False)
    _task: TaskID = field(init=False)

    def __post_init__(self) -> None:
        seconds = _LIVE_SECONDS if self.bars.console.is_terminal else _PLAIN_SECONDS
        self._throttle, self._pace = Throttle(seconds, time.monotonic()), Pace(self.iterations)
        self._task = self.bars.add_task(self.name, total=None)

    def close(self) -> None:
        """Removes the group's bar."""
        self.bars.remove_task(self._task)
        self.bars.refresh()

    def __call__(self, event: Event) -> None:
        """Displays an event."""
        match event:
            case Said(line):
                self._print(f"{self.name}: {line}")
            case Step() | Scored():
                self._show(event, time.monotonic())

    def _show(self, event: Step | Scored, now: float) -> None:
        reading = self._pace.read(event, now)
        if isinstance(event, Step) and reading.counted >= _WARM_STEPS and not self._estimated:
            self._estimated = True
            self._print(self._estimate(reading.seconds_each or 0.0))
        if not self._throttle.due(now):
            return
        line = self._line(event, reading)
        if self.bars.console.is_terminal:
            self.bars.update(self._task, description=line, completed=reading.done, total=reading.total, refresh=True)
        else:
            self._print(line)

    def _print(self, line: str) -> None:
        self.bars.console.print(line, highlight=False, soft_wrap=True, markup=False)

    def _estimate(self, seconds_each: float) -> str:
        run = seconds_each * self.iterations
        text = f"{self.name}: {seconds_each:.3g} s per iteration, about {duration(run)} of training"
        if self.remaining_runs > 1:
            text += f", about {duration(run * self.remaining_runs)} for the {self.remaining_runs} remaining runs"
        if self.full_iterations is not None and self.full_iterations > self.iterations:
            full = duration(seconds_each * self.full_iterations)
            text += f"; the full {self.full_iterations} iterations would take about {full} per run"
        return text

    def _line(self, event: Step | Scored, reading: Reading) -> str:
        left = [f"{duration(reading.seconds_left)} left"] if reading.seconds_left is not None else []
        if isinstance(event, Scored):
            return ", ".join([f"{self.name}: {_SPLITS[event.split]}", f"{event.done}/{event.count} episodes", *left])
        parts = [f"{self.name}: {event.iteration}/{self.iterations}"]
        parts += [f"loss {event.loss:.4f}"] if event.loss is not None else []
        parts += [f"validation {self.measure.written(reading.valid)}"] if reading.valid is not None else []
        parts += [f"{1 / reading.seconds_each:.1f} steps/s", *left] if reading.seconds_each else []
        return ", ".join(parts)


def print_notes(event: Event) -> None:
    """A listener that prints messages on stderr and ignores all other events."""
    if isinstance(event, Said):
        print(event.line, file=sys.stderr, flush=True)
