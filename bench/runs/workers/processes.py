"""Workers on one machine: processes, one per GPU, or one per share of the CPU's threads."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

import torch

from bench import devices
from bench.runs import groups as seed_groups
from bench.runs.groups import ATTEMPTS, Ended, GroupEvent, GroupListener, SeedGroup, Started, Work, WorkOptions
from bench.runs.workers.mapped_images import by_file, reopen
from bench.training.watch import Said, Stop

_LISTEN_SECONDS = 0.2
_END_SECONDS = 5.0
_VISIBLE = "CUDA_VISIBLE_DEVICES"


def gpus() -> list[str]:
    """Every GPU of this machine that may be used, in the notation of CUDA_VISIBLE_DEVICES."""
    named = os.environ.get(_VISIBLE)
    return named.split(",") if named else [str(k) for k in range(torch.cuda.device_count())]


@dataclass(frozen=True)
class Processes:
    """An engine with one process for each entry of `gpus`; None stands for a share of the CPU's threads."""

    gpus: Sequence[str | None]
    work: Work

    @property
    def workers(self) -> int:
        """The number of groups that are worked on at a time."""
        return len(self.gpus)

    def run(self, groups: Sequence[SeedGroup], options: WorkOptions, on_event: GroupListener, stop: Stop) -> None:
        """Completes every group. A process that dies is replaced, and its group resumes from its checkpoint."""
        with ExitStack() as stack:
            workers = [_Worker(self.work, options, gpu) for gpu in self.gpus]
            for worker in workers:
                stack.callback(worker.end)
            _Scheduler(groups, workers, on_event, list(range(len(groups)))).run(stop)


@dataclass
class _Scheduler:
    """Assigns the groups, identified by their index in `groups`, to workers, and receives their events."""

    groups: Sequence[SeedGroup]
    workers: Sequence[_Worker]
    on_event: GroupListener
    waiting: list[int]
    attempts: dict[int, int] = field(default_factory=dict)
    worked: bool = False
    stopping: bool = False

    def run(self, stop: Stop) -> None:
        """Runs until nothing is left to do, or all work in progress has stopped."""
        while True:
            if self.worked and stop() and not self.stopping:
                self._stop()
            self._assign()
            busy = {w.pipe: w for w in self.workers if w.place is not None and w.pipe is not None}
            if not busy:
                return
            for pipe in wait(list(busy), _LISTEN_SECONDS):
                self._receive(busy[pipe])  # type: ignore[index]

    def _stop(self) -> None:
        self.stopping = True
        self.waiting.clear()
        for worker in self.workers:
            worker.stop()

    def _assign(self) -> None:
        for worker in (worker for worker in self.workers if worker.place is None):
            running = [other.place for other in self.workers if other.place is not None]
            place = next(seed_groups.startable(self.waiting, running, self.groups), None)
            if place is None:
                return
            self.waiting.remove(place)
            self.on_event(place, Started())
            worker.assign(place, self.groups[place], self.attempts.setdefault(place, 0))
            self.attempts[place] += 1

    def _receive(self, worker: _Worker) -> None:
        place = worker.place
        assert place is not None
        event = worker.receive() or self._died(worker.reap(), place)
        self.worked |= seed_groups.shows_work(event)
        if isinstance(event, Ended):
            worker.place = None
        self.on_event(place, event)

    def _died(self, how: str, place: int) -> GroupEvent:
        if self.stopping:
            return Ended(stopped="at its last checkpoint")
        if self.attempts[place] == ATTEMPTS:
            return Ended(error=f"its worker died {ATTEMPTS} times, the last time with {how}")
        self.waiting.insert(0, place)
        return Said(f"its worker died ({how}); resuming from the last checkpoint")


@dataclass
class _Worker:
    """A process, started when its first group is assigned; `place` is the index of the group it is working on."""

    work: Work
    options: WorkOptions
    gpu: str | None
    place: int | None = None
    pipe: Connection | None = None
    process: Any = None

    def assign(self, place: int, group: SeedGroup, attempt: int) -> None:
        """Sends a group to the process, which is started if there is none."""
        if self.pipe is None:
            context = multiprocessing.get_context("spawn")  # CUDA does not survive a fork
            self.pipe, theirs = context.Pipe()
            self.process = context.Process(target=_serve, args=(theirs, self.work, self.options, self.gpu), daemon=True)
            self.process.start()
            theirs.close()  # so that the pipe ends when the process does
        self.place = place
        self.pipe.send((group.with_data(by_file(group.data)), attempt))

    def receive(self) -> GroupEvent | None:
        """The next event from the process; None if it has died."""
        assert self.pipe is not None
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            return None

    def stop(self) -> None:
        """Asks the process to stop after the current iteration."""
        if self.pipe is not None and self.place is not None:
            self.pipe.send(None)

    def reap(self) -> str:
        """Forgets a process that died; returns its exit code or signal as text."""
        self.process.join()
        code, self.pipe, self.place = self.process.exitcode, None, None
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def end(self) -> None:
        """Ends the process, immediately if it is working: its last checkpoint is kept."""
        if self.pipe is None:
            return
        if self.place is not None:
            self.process.kill()
        self.pipe.close()
        self.process.join(_END_SECONDS)
        self.process.kill()


def _serve(pipe: Connection, work: Work, options: WorkOptions, gpu: str | None) -> None:
    """The main function of a worker process. While it works, any message asks it to stop, and so does the end of the
    pipe, which means that the command has died."""
    for number in (signal.SIGINT, signal.SIGTERM):  # sent to the whole process group; the parent asks us to stop
        signal.signal(number, signal.SIG_IGN)
    if gpu is not None:
        os.environ[_VISIBLE] = gpu  # before CUDA is first used: every worker sees its GPU as cuda:0
    devices.make_repeatable(options.threads, options.fast)
    devices.keep_memory()
    try:
        while (assigned := pipe.recv()) is not None:
            group, attempt = assigned
            group = group.with_data(reopen(group.data))
            pipe.send(work(group, options, pipe.send, pipe.poll, attempt))
    except (EOFError, OSError):
        return
