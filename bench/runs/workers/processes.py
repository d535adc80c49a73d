"""Workers of one machine: processes, one for each GPU, or for a share of the CPU's threads."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from mmap import mmap
from multiprocessing.connection import Connection, wait
from typing import Any

import numpy as np
import torch

from bench import devices
from bench.runs.workers.work import ATTEMPTS, Cell, Ended, Event, Listener, Orders, Said, shows_work, startable, work
from bench.training.watch import Stop

_LISTEN_SECONDS = 0.2
_END_SECONDS = 5.0
_VISIBLE = "CUDA_VISIBLE_DEVICES"


def gpus() -> list[str]:
    """Every GPU of this machine that may be used, as CUDA_VISIBLE_DEVICES names it."""
    named = os.environ.get(_VISIBLE)
    return named.split(",") if named else [str(k) for k in range(torch.cuda.device_count())]


@dataclass(frozen=True)
class Local:
    """This machine: a process for each of `places`, which are GPUs, or None for a share of the CPU's threads."""

    places: Sequence[str | None]

    @property
    def workers(self) -> int:
        """So many cells are worked on at one time."""
        return len(self.places)

    def run(self, cells: Sequence[Cell], orders: Orders, listener: Listener, stop: Stop) -> Iterator[tuple[int, Ended]]:
        """Works on all cells; what became of each, as it ends. A process that dies is replaced, and its cell goes on
        from its checkpoint."""
        with ExitStack() as stack:
            stack.enter_context(stop)
            crew = [_Worker(orders, place) for place in self.places]
            for worker in crew:
                stack.callback(worker.end)
            yield from _Shift(cells, crew, listener, list(range(len(cells)))).ended(stop)


@dataclass
class _Shift:
    """All cells, by their places in `cells`, and who works on them."""

    cells: Sequence[Cell]
    crew: Sequence[_Worker]
    listener: Listener
    waiting: list[int]
    attempts: dict[int, int] = field(default_factory=dict)
    worked: bool = False
    stopping: bool = False

    def ended(self, stop: Stop) -> Iterator[tuple[int, Ended]]:
        """Until nothing is left to do, or everything that was being done has stopped; not before anything was done."""
        while True:
            if self.worked and stop() and not self.stopping:
                self._stop()
            self._give()
            busy = {worker.pipe: worker for worker in self.crew if worker.cell is not None}
            if not busy:
                return
            for pipe in wait(list(busy), _LISTEN_SECONDS):
                yield from self._heard(busy[pipe])  # type: ignore[index]

    def _stop(self) -> None:
        self.stopping = True
        self.waiting.clear()
        for worker in self.crew:
            worker.stop()

    def _give(self) -> None:
        for worker in (worker for worker in self.crew if worker.cell is None):
            running = [other.cell for other in self.crew if other.cell is not None]
            place = next(startable(self.waiting, running, self.cells), None)
            if place is None:
                return
            self.waiting.remove(place)
            self.listener.began(place)
            worker.give(place, self.cells[place], self.attempts.setdefault(place, 0))
            self.attempts[place] += 1

    def _heard(self, worker: _Worker) -> Iterator[tuple[int, Ended]]:
        place = worker.cell
        assert place is not None
        event = worker.hear() or self._died(worker.bury(), place)
        self.worked |= shows_work(event)
        if isinstance(event, Ended):
            worker.cell = None
            self.listener.ended(place)
            yield place, event
        else:
            self.listener.told(place, event)

    def _died(self, how: str, place: int) -> Event | Ended:
        if self.stopping:
            return Ended(stopped="whose last checkpoint stands")
        if self.attempts[place] == ATTEMPTS:
            return Ended(error=f"its worker died {ATTEMPTS} times, at last by {how}")
        self.waiting.insert(0, place)
        return Said(f"its worker died ({how}); it goes on from its last checkpoint")


@dataclass
class _Worker:
    """A process, started when it is first given something to do; `cell` is the place of what it works on."""

    orders: Orders
    place: str | None
    cell: int | None = None
    pipe: Connection | None = None
    process: Any = None

    def give(self, place: int, cell: Cell, attempt: int) -> None:
        """Has the process, a new one where there is none, work on the cell."""
        if self.pipe is None:
            context = multiprocessing.get_context("spawn")  # CUDA does not survive a fork
            self.pipe, theirs = context.Pipe()
            self.process = context.Process(target=_serve, args=(theirs, self.orders, self.place), daemon=True)
            self.process.start()
            theirs.close()  # so that the pipe ends when the process does
        self.cell = place
        self.pipe.send((_by_file(cell), attempt))

    def hear(self) -> Event | Ended | None:
        """What it has to say; None where it has died."""
        assert self.pipe is not None
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            return None

    def stop(self) -> None:
        """Asks it to stop after an iteration."""
        if self.pipe is not None and self.cell is not None:
            self.pipe.send(None)

    def bury(self) -> str:
        """Forgets the process that died; how it did."""
        self.process.join()
        code, self.pipe, self.cell = self.process.exitcode, None, None
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def end(self) -> None:
        """At once where it works on something: the last checkpoint stands."""
        if self.pipe is None:
            return
        if self.cell is not None:
            self.process.kill()
        self.pipe.close()
        self.process.join(_END_SECONDS)
        self.process.kill()


def _serve(pipe: Connection, orders: Orders, place: str | None) -> None:
    """A worker's life. While it works, whatever arrives asks it to stop, and so does the end of the pipe, when who
    gave the work has died."""
    for number in (signal.SIGINT, signal.SIGTERM):  # sent to the whole group; the parent asks us to stop
        signal.signal(number, signal.SIG_IGN)
    if place is not None:
        os.environ[_VISIBLE] = place  # before CUDA is first used: to every worker its GPU is cuda:0
    devices.make_repeatable(orders.threads, orders.fast)
    devices.keep_memory()
    try:
        while (given := pipe.recv()) is not None:
            cell, attempt = given
            pipe.send(work(_opened(cell), orders, pipe.send, pipe.poll, attempt))
    except (EOFError, OSError):
        return


@dataclass(frozen=True)
class _File:
    """Mapped images, by where they lie: a process maps them too, and no memory is needed twice."""

    path: str
    offset: int
    shape: tuple[int, ...]


def _by_file(cell: Cell) -> Cell:
    data = cell.jobs[0].workload.data
    array = getattr(data, "images", None)
    if not (isinstance(array, np.memmap) and isinstance(array.base, mmap)):  # in memory, or a part of a file
        return cell
    return cell.with_data(replace(data, images=_File(str(array.filename), array.offset, array.shape)))


def _opened(cell: Cell) -> Cell:
    data = cell.jobs[0].workload.data
    file: Any = getattr(data, "images", None)
    if not isinstance(file, _File):
        return cell
    return cell.with_data(replace(data, images=np.memmap(file.path, np.uint8, "r", file.offset, file.shape)))
