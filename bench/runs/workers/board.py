"""One display for all cells that are worked on at one time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from rich.console import Console

from bench.protocols import presets
from bench.runs.display import Area, Display
from bench.runs.workers.work import Cell, Event, Said, Scored, Step


def display(
    cell: Cell, remaining: int, console: Console, tell: Callable[..., None], area: Area | None = None
) -> Display:
    """The progress of one cell; `remaining` counts it and those that come after. `tell`: of events."""
    first, seeds = cell.jobs[0], [job.seed for job in cell.jobs]
    known = partial(
        tell, benchmark=first.benchmark.name, method=first.method, training_hash=first.key.hash, seeds=seeds
    )
    full = presets.preset("paper", first.benchmark).training.iterations if first.preset == "quick" else None
    iterations, measure = first.protocol.training.iterations, first.benchmark.measure
    return Display(cell.name, iterations, remaining, full, console, measure, area, known)


@dataclass
class Board:
    """Shows what the workers tell: a Listener. To be entered."""

    cells: Sequence[Cell]
    workers: int
    console: Console
    tell: Callable[..., None]
    _done: int = field(default=0, init=False)
    _shown: dict[int, Display] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._area = Area(self.console)

    def __enter__(self) -> Board:
        self._area.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._area.__exit__()

    def began(self, place: int) -> None:
        """A worker has begun with a cell, or goes on with it."""
        remaining = math.ceil((len(self.cells) - self._done) / self.workers)
        self._shown[place] = display(self.cells[place], remaining, self.console, self.tell, self._area).__enter__()

    def told(self, place: int, event: Event) -> None:
        """It has come so far."""
        shown = self._shown.get(place)
        if shown is None:
            return
        match event:
            case Said(line):
                shown.say(line)
            case Scored(split, done, count):
                shown.scored(split, done, count)
            case Step(iteration, loss, valid):
                shown.step(iteration, loss, valid)

    def ended(self, place: int) -> None:
        """It has ended."""
        self._done += 1
        if (shown := self._shown.pop(place, None)) is not None:
            shown.__exit__()
