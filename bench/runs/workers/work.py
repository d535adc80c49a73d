"""Cells spread over workers: a process for each GPU of this machine or for a share of its threads, or a Ray cluster.

A cell is what trains together: the runs of one benchmark and method that differ in their seeds. A worker does for its
cell what `bench run` does for all of them, so that locks, checkpoints and resumption are the same."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.episodes.stream import Data
from bench.errors import UserError
from bench.runs import complete, tensorboard
from bench.runs.job import Job
from bench.training.watch import Interrupted, Watch

ATTEMPTS = 4  # at a cell whose worker dies
_TELL_SECONDS = 0.2


@dataclass(frozen=True)
class Cell:
    """Runs that train together."""

    jobs: tuple[Job, ...]

    @property
    def name(self) -> str:
        """The first run's, and the other seeds."""
        return self.jobs[0].name + "".join(f",{job.seed}" for job in self.jobs[1:])

    @property
    def folders(self) -> frozenset[Path]:
        """Those that it writes: its own, and those of the runs whose weights it evaluates."""
        lenders = [job.weights_job.folder for job in self.jobs if job.kind.weights_of is not None]
        return frozenset([*(job.folder for job in self.jobs), *lenders])

    def with_data(self, data: Data | None) -> Cell:
        """The same with these data, or to be sent without any."""
        return Cell(tuple(job.with_workload(data=data) for job in self.jobs))


@dataclass(frozen=True)
class Orders:
    """How every worker works: as the options of `bench run` of these names."""

    threads: int
    checkpoint_every: float
    keep: tuple[int, ...] = ()
    force: bool = False
    fast: bool = False
    log: str | None = None


@dataclass(frozen=True)
class Step:
    """A worker has come so far in training: what `train.Watch.step` is told."""

    iteration: int
    loss: float | None
    valid: float | None


@dataclass(frozen=True)
class Scored:
    """How far a validation or a test has come: what `train.Watch.scored` is told."""

    split: str
    done: int
    count: int


@dataclass(frozen=True)
class Said:
    """What a user should know of a cell."""

    line: str


@dataclass(frozen=True)
class Ended:
    """What became of a cell: each run's outcome and whether anything was done, as `complete_runs` says it, or it was
    asked to stop, or failed."""

    outcomes: tuple[str, ...] = ()
    worked: bool = True
    stopped: str = ""  # where
    error: str = ""


Event = Step | Scored | Said


def shows_work(event: Event | Ended | None) -> bool:
    """Whether something was done of which a record or a checkpoint is left: only then may a command stop."""
    return event.worked if isinstance(event, Ended) else isinstance(event, Step | Scored)


class Listener(Protocol):
    """Is told of every cell, by its place, from the beginning of it to its end."""

    def began(self, place: int) -> None: ...
    def told(self, place: int, event: Event) -> None: ...
    def ended(self, place: int) -> None: ...


def work(
    cell: Cell, orders: Orders, tell: Callable[[Event], None], stopping: Callable[[], bool], attempt: int
) -> Ended:
    """A worker's part: does what is missing of a cell. Only the first attempt may be ordered to begin anew."""
    stop, every, keep = _Asked(stopping), orders.checkpoint_every, orders.keep
    try:
        with tensorboard.logged(orders.log) as row:
            told = _Told(tell)
            watch = Watch(told.step, stop, every, keep, lambda line: tell(Said(line)), row, told.scored)
            return Ended(*complete.complete_runs(cell.jobs, watch, orders.force and attempt == 0))
    except Interrupted as interrupted:
        return Ended(stopped=str(interrupted))
    except UserError as error:
        return Ended(error=str(error))
    except Exception as error:
        traceback.print_exc()
        return Ended(error=f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")


@dataclass
class _Told:
    """Tells of steps and of scored episodes from time to time, and of the end of every validation and test."""

    tell: Callable[[Event], None]
    _last: float = field(default=0.0, init=False)

    def step(self, iteration: int, loss: float | None, valid: float | None) -> None:
        now = time.monotonic()
        if valid is not None or now - self._last > _TELL_SECONDS:
            self._last = now
            self.tell(Step(iteration, loss, valid))

    def scored(self, split: str, done: int, count: int) -> None:
        now = time.monotonic()
        if done == count or now - self._last > _TELL_SECONDS:
            self._last = now
            self.tell(Scored(split, done, count))


@dataclass
class _Asked:
    """A `train.Stop` in a worker, whom not a signal asks but whoever gave the cell."""

    stopping: Callable[[], bool]

    def __call__(self) -> bool:
        return self.stopping()

    def __enter__(self) -> _Asked:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def startable(waiting: Sequence[int], running: Sequence[int], cells: Sequence[Cell]) -> Iterator[int]:
    """Of the cells that wait, those that write into no folder of one that runs or stands before them."""
    taken = frozenset[Path]().union(*(cells[place].folders for place in running))
    for place in waiting:
        if taken.isdisjoint(cells[place].folders):
            yield place
        taken |= cells[place].folders
