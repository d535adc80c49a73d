"""Workers on a Ray cluster: a task for each cell, on a GPU or on some threads of any node.

Ray schedules the tasks, brings the images to each node once, and begins a task again, elsewhere, whose worker or node
died. Its cell then goes on from its checkpoint, for which all nodes must see the results at the same path."""

from __future__ import annotations

import logging
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench import devices, files, provenance
from bench.data.images import ImageSet
from bench.episodes.stream import Data
from bench.errors import UserError
from bench.runs.workers.work import ATTEMPTS, Cell, Ended, Event, Listener, Orders, Said, shows_work, work
from bench.training.watch import Stop

_LISTEN_SECONDS = 0.5
_ASK_SECONDS = 1.0
_ANSWER_SECONDS = 10.0


class Mailbox:
    """An actor beside the driver, through which driver and tasks speak."""

    def __init__(self) -> None:
        self.letters: list[tuple[int, Event | None]] = []
        self.begun: dict[int, int] = {}
        self.stopped = False

    def begin(self, place: int) -> int:
        """How often the cell was begun before."""
        self.begun[place] = self.begun.get(place, -1) + 1
        self.letters.append((place, None))
        return self.begun[place]

    def put(self, place: int, event: Event) -> None:
        """What a task tells."""
        self.letters.append((place, event))

    def take(self) -> list[tuple[int, Event | None]]:
        """What was told since; None where a cell was begun."""
        taken, self.letters = self.letters, []
        return taken

    def stop(self) -> None:
        """Asks all tasks to stop."""
        self.stopped = True

    def stopping(self) -> bool:
        """Whether they are asked to."""
        return self.stopped


@dataclass(frozen=True)
class Shared:
    """What a node must have in common with the driver."""

    probe: Path  # a file among the results
    commit: dict[str, Any]

    def missing(self) -> str:
        """What is wrong here, in a line, or nothing."""
        if not self.probe.exists():
            return f"{socket.gethostname()} does not see {self.probe.parent}: every node must, at that path (--results)"
        here = provenance.commit()
        ours, theirs = (f"{c['commit']}{' with changes' * bool(c['dirty'])}" for c in (here, self.commit))
        return "" if ours == theirs else f"{socket.gethostname()} has the project at {ours}, and not at {theirs}"


@dataclass(frozen=True)
class Cluster:
    """A connection to a Ray cluster; `workers` cells are worked on at one time."""

    ray: Any
    needs: dict[str, int]  # of a task
    workers: int

    def run(self, cells: Sequence[Cell], orders: Orders, listener: Listener, stop: Stop) -> Iterator[tuple[int, Ended]]:
        """Works on all cells; what became of each, as it ends."""
        results = cells[0].jobs[0].results.resolve()
        probe = results / f".ray-{uuid.uuid4().hex}"
        files.write_atomically(probe, lambda path: path.write_text(""))
        try:
            with stop:
                yield from self._ended(cells, orders, Shared(probe, provenance.commit()), listener, stop)
        except self.ray.exceptions.RayError as error:
            raise UserError(f"the Ray cluster has gone, the last checkpoints stand: {_first_line(error)}") from error
        finally:
            probe.unlink(missing_ok=True)
            self.ray.shutdown()  # which ends the tasks that still run

    def _ended(
        self, cells: Sequence[Cell], orders: Orders, shared: Shared, listener: Listener, stop: Stop
    ) -> Iterator[tuple[int, Ended]]:
        mailbox, worked, asked = self._mailbox(), False, False
        tasks = self._tasks(cells, orders, shared, mailbox)
        while tasks:
            if worked and not asked and stop():
                asked = True
                mailbox.stop.remote()
            ended, _ = self.ray.wait(list(tasks), num_returns=len(tasks), timeout=_LISTEN_SECONDS)
            for place, event in self.ray.get(mailbox.take.remote()):
                worked |= shows_work(event)
                _pass_on(place, event, listener)
            for task in ended:
                place, found = tasks.pop(task), self._got(task)
                worked |= shows_work(found)
                listener.ended(place)
                yield place, found

    def _tasks(self, cells: Sequence[Cell], orders: Orders, shared: Shared, mailbox: Any) -> dict[Any, int]:
        """Each cell's task; one that writes where another does waits for that."""
        remote = self.ray.remote(_work).options(**self.needs, max_retries=ATTEMPTS - 1)
        put: dict[str, Any] = {}
        tasks: list[Any] = []
        for place, cell in enumerate(cells):
            data = cell.jobs[0].workload.data
            if data.digest not in put:
                put[data.digest] = self.ray.put(_plain(data))
            before = [tasks[k] for k in range(place) if not cell.folders.isdisjoint(cells[k].folders)]
            sent = (_absolute(cell.with_data(None)), put[data.digest])
            tasks.append(remote.remote(place, *sent, orders, shared, mailbox, *before))
        return {task: place for place, task in enumerate(tasks)}

    def _mailbox(self) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(self.ray.get_runtime_context().get_node_id(), soft=False)
        return self.ray.remote(Mailbox).options(num_cpus=0, scheduling_strategy=here).remote()

    def _got(self, task: Any) -> Ended:
        try:
            return self.ray.get(task)
        except self.ray.exceptions.RayError as error:
            return Ended(error=f"its worker died {ATTEMPTS} times: {_first_line(error)}")


def connect(address: str | None, threads: int, cuda: bool) -> Cluster:
    """The cluster at that address, or the one that this machine is part of, or a new one of this machine alone.
    Raises UserError."""
    try:
        import ray
    except ImportError:
        raise UserError("--engine ray needs Ray: pip install 'few-shot-bench[ray]'") from None
    if address is not None:
        _check(address)
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UserError(f"--engine ray: {_first_line(error)}") from error
    needs = {"num_gpus": 1, "num_cpus": 0} if cuda else {"num_cpus": threads}
    kind, each = ("GPU", 1) if cuda else ("CPU", threads)
    workers = sum(int(node["Resources"].get(kind, 0)) // each for node in ray.nodes() if node["Alive"])
    if workers == 0:
        ray.shutdown()
        raise UserError(f"--engine ray: no node of the cluster has {each} {kind}{'s' * (each > 1)}")
    return Cluster(ray, needs, workers)


def _check(address: str) -> None:
    """Ray itself tries for minutes, and not quietly."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        raise UserError(f"--address {address}: write the HOST:PORT that `ray start --head` printed")
    try:
        socket.create_connection((host, int(port)), _ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UserError(f"--address {address}: no Ray cluster answers there ({error})") from error


def _work(place: int, cell: Cell, data: Any, orders: Orders, shared: Shared, mailbox: Any, *_before: Ended) -> Ended:
    """A task. Ray begins it again where its worker died."""
    import ray

    if wrong := shared.missing():
        return Ended(error=wrong)
    devices.make_repeatable(orders.threads, orders.fast)
    devices.keep_memory()
    attempt = ray.get(mailbox.begin.remote(place))

    def tell(event: Event) -> None:
        mailbox.put.remote(place, event)

    if attempt > 0:
        tell(Said(f"its worker died; it goes on from its last checkpoint on {socket.gethostname()}"))
    stopping = _now_and_then(lambda: ray.get(mailbox.stopping.remote()))
    if stopping():
        return Ended(stopped="before it began")
    return work(cell.with_data(data), orders, tell, stopping, attempt)


def _now_and_then(ask: Callable[[], bool]) -> Callable[[], bool]:
    """The same, asked once a second at most."""
    last, answer = -_ASK_SECONDS, False

    def asked() -> bool:
        nonlocal last, answer
        if time.monotonic() - last > _ASK_SECONDS:
            last, answer = time.monotonic(), ask()
        return answer

    return asked


def _pass_on(place: int, event: Event | None, listener: Listener) -> None:
    if event is None:
        listener.began(place)
    else:
        listener.told(place, event)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _plain(data: Data) -> Data:
    """With an array that lies in memory, which Ray then shares among the workers of a node."""
    return replace(data, images=np.asarray(data.images)) if isinstance(data, ImageSet) else data


def _absolute(cell: Cell) -> Cell:
    """As it is called where the working directory is another."""
    return Cell(tuple(replace(job, results=job.results.resolve()) for job in cell.jobs))
