"""Cells spread over workers: a process for each GPU of this machine or for a share of its threads, or a Ray cluster.

A cell is what trains together: the runs of one benchmark and method that differ in their seeds. A worker does for its
cell what `bench run` does for all of them, so that locks, checkpoints and resumption are the same."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from bench.episodes.streams import Data
from bench.errors import UserError
from bench.runs import complete, tensorboard
from bench.runs.job import Job
from bench.training.watch import CurvePoint, Event, Interrupted, Scored, Step, Watch
from bench.training.watch import Listener as OfOne

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
        lenders = [job.lender.folder for job in self.jobs if job.kind.weights_of is not None]
        return frozenset([*(job.folder for job in self.jobs), *lenders])

    def with_data(self, data: Data | None) -> Cell:
        """The same with these data, or to be sent without any."""
        return Cell(tuple(replace(job, data=data) for job in self.jobs))


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
class Ended:
    """What became of a cell: each run's outcome and whether anything was done, as `run.complete` says it, or it was
    asked to stop, or failed."""

    outcomes: tuple[str, ...] = ()
    worked: bool = True
    stopped: str = ""  # where
    error: str = ""


def shows_work(event: Event | Ended | None) -> bool:
    """Whether something was done of which a record or a checkpoint is left: only then may a command stop."""
    return event.worked if isinstance(event, Ended) else isinstance(event, Step | Scored)


class Listener(Protocol):
    """Is told of every cell, by its place, from the beginning of it to its end."""

    def began(self, place: int) -> None: ...
    def told(self, place: int, event: Event) -> None: ...
    def ended(self, place: int) -> None: ...


def work(cell: Cell, orders: Orders, on_event: OfOne, stopping: Callable[[], bool], attempt: int) -> Ended:
    """A worker's part: does what is missing of a cell. Only the first attempt may be ordered to begin anew."""
    try:
        with tensorboard.logged(orders.log, _throttled(on_event)) as on_any:
            watch = Watch(on_any, _Asked(stopping), orders.checkpoint_every, orders.keep)
            return Ended(*complete.complete(cell.jobs, watch, orders.force and attempt == 0))
    except Interrupted as interrupted:
        return Ended(stopped=str(interrupted))
    except UserError as error:
        return Ended(error=str(error))
    except Exception as error:
        traceback.print_exc()
        return Ended(error=f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")


def _throttled(on_event: OfOne) -> OfOne:
    """Passes on what is shown elsewhere: steps and scored episodes from time to time, and the end of each validation
    and test."""
    last = 0.0

    def pass_on(event: Event) -> None:
        nonlocal last
        now = time.monotonic()
        match event:
            case CurvePoint():
                return
            case Step(valid=None) if now - last <= _TELL_SECONDS:
                return
            case Scored(done=done, count=count) if done < count and now - last <= _TELL_SECONDS:
                return
            case Step() | Scored():
                last = now
        on_event(event)

    return pass_on


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
