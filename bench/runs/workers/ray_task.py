"""A seed group as a Ray task on any node, and the mailbox between tasks and driver."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import devices, provenance
from bench.runs.groups import Ended, GroupEvent, SeedGroup, Started, Work, WorkOptions
from bench.runs.progress import Throttle
from bench.training.watch import Event, Said

_ASK_SECONDS = 1.0


class Mailbox:
    """An actor on the driver's node, through which driver and tasks communicate."""

    def __init__(self) -> None:
        self.events: list[tuple[int, GroupEvent]] = []
        self.begun: dict[int, int] = {}
        self.stopped = False

    def begin(self, place: int) -> int:
        """Notes that a task starts; returns how often the group was started before."""
        self.begun[place] = self.begun.get(place, -1) + 1
        self.put(place, Started())
        return self.begun[place]

    def put(self, place: int, event: GroupEvent) -> None:
        """Stores an event of a task until the driver takes it."""
        self.events.append((place, event))

    def take(self) -> list[tuple[int, GroupEvent]]:
        """The events since the last call."""
        taken, self.events = self.events, []
        return taken

    def stop(self) -> None:
        """Asks all tasks to stop."""
        self.stopped = True

    def stopping(self) -> bool:
        """Whether the tasks are asked to stop."""
        return self.stopped


@dataclass(frozen=True)
class Shared:
    """What a node must have in common with the driver: the results folder and the code."""

    probe: Path  # a file among the results
    code: dict[str, Any]

    def missing(self) -> str:
        """What is wrong on this node, in one line; empty if nothing."""
        if not self.probe.exists():
            return (
                f"{socket.gethostname()} cannot see {self.probe.parent}: every node must see --results at the same path"
            )
        here = provenance.code()
        ours, theirs = (f"{c['commit'] or c['sources']}{' with changes' * bool(c['dirty'])}" for c in (here, self.code))
        return (
            ""
            if ours == theirs
            else f"{socket.gethostname()} runs another version of the project: {ours}, not {theirs}"
        )


def run(
    place: int,
    group: SeedGroup,
    data: Any,
    work: Work,
    options: WorkOptions,
    shared: Shared,
    mailbox: Any,
    *_before: Ended,
) -> Ended:
    """The Ray task: completes one group. Ray starts it again if its worker dies."""
    import ray

    if wrong := shared.missing():
        return Ended(error=wrong)
    devices.make_repeatable(options.threads, options.fast)
    devices.keep_memory()
    attempt = ray.get(mailbox.begin.remote(place))

    def on_event(event: Event) -> None:
        mailbox.put.remote(place, event)

    if attempt > 0:
        on_event(Said(f"its worker died; resuming from the last checkpoint on {socket.gethostname()}"))
    throttle, asked = Throttle(_ASK_SECONDS), False

    def stop() -> bool:
        nonlocal asked
        if throttle.due(time.monotonic()):
            asked = ray.get(mailbox.stopping.remote())
        return asked

    if stop():
        return Ended(stopped="before it started")
    return work(group.with_data(data), options, on_event, stop, attempt)
