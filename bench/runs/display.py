"""How runs show themselves: a live line for each in a terminal, plain lines at intervals elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live
from rich.text import Text

from bench.protocols.measures import Measure
from bench.training.watch import Event, Said, Scored, Step

_PLAIN_SECONDS = 15.0
_LIVE_SECONDS = 0.2
_TOLD_SECONDS = 1.0
_WARM_STEPS = 5
_SPLITS = {"valid": "validation", "test": "test"}  # in words


@dataclass
class Area:
    """What the lines of all runs are shown in that go on at one time."""

    console: Console
    _live: Live | None = field(default=None, init=False)
    _lines: dict[str, str] = field(default_factory=dict, init=False)

    def __enter__(self) -> Area:
        if self.live:
            self._live = Live(console=self.console, transient=True, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    @property
    def live(self) -> bool:
        """Whether a line replaces the one before."""
        return self.console.is_terminal

    def show(self, name: str, line: str) -> None:
        """How far `name` is."""
        if self._live is None:
            self.console.print(line, highlight=False, soft_wrap=True)
            return
        self._lines[name] = line
        self._draw()

    def forget(self, name: str) -> None:
        """It goes on no more."""
        if self._lines.pop(name, None) is not None:
            self._draw()

    def _draw(self) -> None:
        if self._live is not None:
            self._live.update(Text("\n".join(self._lines.values())), refresh=True)


@dataclass
class Display:
    """Progress of one run on the terminal; `remaining_runs` counts this one and those after it. `area`: where several
    are shown, their common one, which is entered already. `tell`: is told the same as fields, for machines."""

    name: str
    iterations: int
    remaining_runs: int
    full_iterations: int | None
    console: Console
    measure: Measure
    area: Area | None = None
    tell: Callable[..., None] | None = None
    _own: Area | None = field(default=None, init=False)
    _first: tuple[int, float] | None = field(default=None, init=False)
    _shown: float = field(default_factory=time.monotonic, init=False)
    _told: float = field(default=float("-inf"), init=False)
    _valid: float | None = field(default=None, init=False)
    _estimated: bool = field(default=False, init=False)
    _scoring: tuple[str, int, float] | None = field(default=None, init=False)

    def __enter__(self) -> Display:
        if self.area is None:
            self.area = self._own = Area(self.console).__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        if self._own is not None:
            self._own.__exit__()
        elif self.area is not None:
            self.area.forget(self.name)

    def __call__(self, event: Event) -> None:
        """Shows what happened."""
        match event:
            case Said(line):
                self._say(line)
            case Scored(split, done, count):
                self._scored(split, done, count)
            case Step(iteration, loss, valid):
                self._step(iteration, loss, valid)

    def _step(self, iteration: int, loss: float | None, valid: float | None) -> None:
        now = time.monotonic()
        self._valid = valid if valid is not None else self._valid
        self._first = self._first or (iteration, now)
        if not self._estimated and iteration - self._first[0] >= _WARM_STEPS:
            self._estimated = True
            self.console.print(self._estimate(self._rate(iteration, now)), highlight=False, soft_wrap=True)
        if self._is_shown(now):
            self.area.show(self.name, self._line(iteration, loss, now))
        if self._is_told(now, iteration == self.iterations or valid is not None):
            self.tell("progress", **self._fields(iteration, loss, now))

    def _scored(self, split: str, done: int, count: int) -> None:
        now = time.monotonic()
        if self._scoring is None or self._scoring[0] != split or self._scoring[1] > done:
            self._scoring = (split, done, now)
        _, first, since = self._scoring
        left = (now - since) / (done - first) * (count - done) if done > first else None
        if self._is_shown(now):
            parts = [self.name + f": {_SPLITS[split]}", f"{done}/{count} episodes"]
            parts += [f"{duration(left)} left"] if left is not None else []
            self.area.show(self.name, ", ".join(parts))
        if self._is_told(now, done == count):
            self.tell("scoring", split=split, episodes=done, of=count, seconds_left=left)

    def _say(self, line: str) -> None:
        """A line that stays."""
        self.console.print(f"{self.name}: {line}", highlight=False, soft_wrap=True, markup=False)
        if self.tell is not None:
            self.tell("note", text=line)

    def _is_shown(self, now: float) -> bool:
        """Whether it is time for a line: then it is now."""
        due = self.area is not None and now - self._shown > (_LIVE_SECONDS if self.area.live else _PLAIN_SECONDS)
        self._shown = now if due else self._shown
        return due

    def _is_told(self, now: float, always: bool) -> bool:
        """Whether somebody listens and it is time to tell: then it is now."""
        due = self.tell is not None and (always or now - self._told > _TOLD_SECONDS)
        self._told = now if due else self._told
        return due

    def _rate(self, iteration: int, now: float) -> float:
        """Seconds an iteration, since the first."""
        first, since = self._first or (iteration, now)
        return (now - since) / max(1, iteration - first)

    def _estimate(self, rate: float) -> str:
        run = rate * self.iterations
        text = f"{self.name}: {rate:.3g} s an iteration, about {duration(run)} of training"
        if self.remaining_runs > 1:
            text += f", {duration(run * self.remaining_runs)} for {self.remaining_runs} such runs from here"
        if self.full_iterations is not None and self.full_iterations > self.iterations:
            full = duration(rate * self.full_iterations)
            text += f"; the full {self.full_iterations} iterations would take about {full} a run"
        return text

    def _line(self, iteration: int, loss: float | None, now: float) -> str:
        rate = self._rate(iteration, now)
        parts = [f"{self.name}: {iteration}/{self.iterations}"]
        parts += [f"loss {loss:.4f}"] if loss is not None else []
        parts += [f"validation {self.measure.written(self._valid)}"] if self._valid is not None else []
        parts += [f"{1 / rate:.1f} steps/s, {duration(rate * (self.iterations - iteration))} left"] if rate else []
        return ", ".join(parts)

    def _fields(self, iteration: int, loss: float | None, now: float) -> dict[str, object]:
        """The line as fields: the score as it is stored, and null for what is not known yet."""
        rate = self._rate(iteration, now)
        return {
            "iteration": iteration,
            "iterations": self.iterations,
            "train_loss": loss,
            "measure": self.measure.name,
            "valid_score": self._valid,
            "steps_per_second": 1 / rate if rate else None,
            "seconds_left": rate * (self.iterations - iteration) if rate else None,
        }


def print_notes(event: Event) -> None:
    """A listener that prints what a user should know, on stderr, and nothing else."""
    if isinstance(event, Said):
        print(event.line, file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """Seconds in words: 42 s, 3 min, 2.5 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
