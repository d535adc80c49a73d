"""Workers on a Ray cluster: one task per seed group, on a GPU or on some CPU threads of any node.

Ray schedules the tasks, copies the images to each node once, and starts a task again elsewhere if its worker or node
died. The group then resumes from its checkpoint, for which all nodes must see the results at the same path."""

from __future__ import annotations

import logging
import socket
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bench import files, provenance
from bench.data.images import ImageSet
from bench.episodes.stream import Data
from bench.errors import UserError, reason
from bench.runs.groups import ATTEMPTS, Ended, GroupListener, SeedGroup, Work, WorkOptions, shows_work
from bench.runs.workers import ray_task
from bench.runs.workers.ray_task import Mailbox, Shared
from bench.training.watch import Stop

_LISTEN_SECONDS = 0.5
_ANSWER_SECONDS = 10.0


@dataclass(frozen=True)
class Cluster:
    """A connection to a Ray cluster; `workers` groups are worked on at a time."""

    ray: Any
    needs: dict[str, int]  # resources of a task
    workers: int
    work: Work

    def run(self, groups: Sequence[SeedGroup], options: WorkOptions, on_event: GroupListener, stop: Stop) -> None:
        """Completes every group."""
        results = groups[0].jobs[0].results.resolve()
        probe = results / f".ray-{uuid.uuid4().hex}"
        files.write_atomically(probe, lambda path: path.write_text(""))
        try:
            mailbox = self._mailbox()
            tasks = self._tasks(groups, options, Shared(probe, provenance.code()), mailbox)
            self._listen(tasks, mailbox, on_event, stop)
        except self.ray.exceptions.RayError as error:
            raise UserError(f"the Ray cluster is gone; the last checkpoints are kept: {reason(error)}") from error
        finally:
            probe.unlink(missing_ok=True)
            self.ray.shutdown()  # also ends tasks that are still running

    def _listen(self, tasks: dict[Any, int], mailbox: Any, on_event: GroupListener, stop: Stop) -> None:
        worked, asked = False, False
        while tasks:
            if worked and not asked and stop():
                asked = True
                mailbox.stop.remote()
            ended, _ = self.ray.wait(list(tasks), num_returns=len(tasks), timeout=_LISTEN_SECONDS)
            events = [*self.ray.get(mailbox.take.remote()), *((tasks.pop(task), self._got(task)) for task in ended)]
            for place, event in events:
                worked |= shows_work(event)
                on_event(place, event)

    def _tasks(self, groups: Sequence[SeedGroup], options: WorkOptions, shared: Shared, mailbox: Any) -> dict[Any, int]:
        """One task per group. A task that writes to a folder of an earlier one waits for that one."""
        remote = self.ray.remote(ray_task.run).options(**self.needs, max_retries=ATTEMPTS - 1)
        put: dict[str, Any] = {}
        tasks: list[Any] = []
        for place, group in enumerate(groups):
            data = group.data
            if data.digest not in put:
                put[data.digest] = self.ray.put(_plain(data))
            before = [tasks[k] for k in range(place) if not group.folders.isdisjoint(groups[k].folders)]
            sent = (_absolute(group.with_data(None)), put[data.digest])
            tasks.append(remote.remote(place, *sent, self.work, options, shared, mailbox, *before))
        return {task: place for place, task in enumerate(tasks)}

    def _mailbox(self) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(self.ray.get_runtime_context().get_node_id(), soft=False)
        return self.ray.remote(Mailbox).options(num_cpus=0, scheduling_strategy=here).remote()

    def _got(self, task: Any) -> Ended:
        try:
            return self.ray.get(task)
        except self.ray.exceptions.RayError as error:
            return Ended(error=f"its worker died {ATTEMPTS} times: {reason(error)}")


def connect(address: str | None, threads: int, cuda: bool, work: Work) -> Cluster:
    """Connects to the cluster at this address, or the one that this machine belongs to, or a new one on this machine.
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
        raise UserError(f"--engine ray: {reason(error)}") from error
    needs = {"num_gpus": 1, "num_cpus": 0} if cuda else {"num_cpus": threads}
    kind, each = ("GPU", 1) if cuda else ("CPU", threads)
    workers = sum(int(node["Resources"].get(kind, 0)) // each for node in ray.nodes() if node["Alive"])
    if workers == 0:
        ray.shutdown()
        raise UserError(f"--engine ray: no node of the cluster has {each} {kind}{'s' * (each > 1)}")
    return Cluster(ray, needs, workers, work)


def _check(address: str) -> None:
    """Raises UserError if nothing answers at the address; Ray itself would retry for minutes, with many messages."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        raise UserError(f"--address {address}: write the HOST:PORT that `ray start --head` printed")
    try:
        socket.create_connection((host, int(port)), _ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UserError(f"--address {address}: no Ray cluster answers there ({error})") from error


def _plain(data: Data) -> Data:
    """The data with their images as an array in memory, which Ray shares among the workers of a node."""
    return replace(data, images=np.asarray(data.images)) if isinstance(data, ImageSet) else data


def _absolute(group: SeedGroup) -> SeedGroup:
    """The group with absolute paths, which are valid in any working directory."""
    return replace(group, jobs=tuple(replace(job, results=job.results.resolve()) for job in group.jobs))
