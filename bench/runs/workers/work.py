"""Seed groups and what works through them: this process, several of this machine, or a Ray cluster.

A seed group is what trains together: the runs of one benchmark and method that differ in their seeds. Every engine does
for a group what `complete_runs` does, so that locks, checkpoints and resumption are the same."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.episodes.stream import Data
from bench.errors import UserError, kind_and_reason
from bench.runs import complete, tensorboard
from bench.runs.job import Job
from bench.runs.progress import Throttle, ends_something
from bench.training.watch import Event, Interrupted, Listener, Said, Scored, Step, Stop, Watch

ATTEMPTS = 4  # at a group whose worker dies
_SHOWN_SECONDS = 0.2


@dataclass(frozen=True)
class SeedGroup:
    """Runs that train together."""

    jobs: tuple[Job, ...]

    @property
    def name(self) -> str:
        """The first run's, and the other seeds."""
        return self.jobs[0].name + "".join(f",{job.seed}" for job in self.jobs[1:])

    @property
    def folders(self) -> frozenset[Path]:
        """Every folder that is written to: the runs' own, and those of the runs whose weights they evaluate."""
        lenders = [job.weights_job.folder for job in self.jobs if job.kind.weights_of is not None]
        return frozenset([*(job.folder for job in self.jobs), *lenders])

    def with_data(self, data: Data | None) -> SeedGroup:
        """This group with other data, or with none, to be sent."""
        return SeedGroup(tuple(job.with_workload(data=data) for job in self.jobs))


@dataclass(frozen=True)
class WorkOptions:
    """How every group is worked on: the options of `bench run` of these names."""

    threads: int
    checkpoint_every: float
    keep: tuple[int, ...] = ()
    force: bool = False
    fast: bool = False
    log: str | None = None


@dataclass(frozen=True)
class Started:
    """A seed group is begun, or gone on with."""


@dataclass(frozen=True)
class Ended:
    """What became of a seed group: each run's outcome and whether anything was done, as `complete_runs` returns it, or
    it was stopped, or failed."""

    outcomes: tuple[str, ...] = ()
    worked: bool = True
    stopped: str = ""  # where
    error: str = ""


GroupEvent = Started | Event | Ended
GroupListener = Callable[[int, GroupEvent], None]  # hears of every group, by its place among all


class Engine(Protocol):
    """Works through seed groups, so many of them at one time as it has workers."""

    @property
    def workers(self) -> int: ...

    def run(self, groups: Sequence[SeedGroup], options: WorkOptions, on_event: GroupListener, stop: Stop) -> None:
        """Does what is missing of every group. When `stop` says so it ends early, but not before anything was done:
        so a command that is given again and again comes to an end."""


def shows_work(event: GroupEvent) -> bool:
    """Whether something was done of which a record or a checkpoint is left: only then may a command stop."""
    return event.worked if isinstance(event, Ended) else isinstance(event, Step | Scored)


def work(group: SeedGroup, options: WorkOptions, on_event: Listener, stop: Stop, attempt: int = 0) -> Ended:
    """Does what is missing of a group. Only the first attempt may begin anew (`--force`)."""
    with tensorboard.logged(options.log, on_event) as listener:
        watch = Watch(listener, stop, options.checkpoint_every, options.keep)
        try:
            return Ended(*complete.complete_runs(group.jobs, watch, options.force and attempt == 0))
        except Interrupted as interrupted:
            return Ended(stopped=str(interrupted))


def work_apart(group: SeedGroup, options: WorkOptions, on_event: Listener, stop: Stop, attempt: int) -> Ended:
    """Does the same in a process that is not the command's: an error ends this group alone."""
    try:
        return work(group, options, _throttled(on_event), stop, attempt)
    except UserError as error:
        return Ended(error=str(error))
    except Exception as error:
        traceback.print_exc()
        return Ended(error=kind_and_reason(error))


def _throttled(on_event: Listener) -> Listener:
    """Passes on what is shown elsewhere: steps and scored episodes from time to time, and the end of each validation
    and test."""
    throttle = Throttle(_SHOWN_SECONDS)

    def pass_on(event: Event) -> None:
        shown = isinstance(event, Step | Scored) and throttle.due(time.monotonic(), ends_something(event))
        if shown or isinstance(event, Said):
            on_event(event)

    return pass_on


def startable(waiting: Sequence[int], running: Sequence[int], groups: Sequence[SeedGroup]) -> Iterator[int]:
    """The groups that wait and write into no folder of one that runs or stands before them."""
    taken = frozenset[Path]().union(*(groups[place].folders for place in running))
    for place in waiting:
        if taken.isdisjoint(groups[place].folders):
            yield place
        taken |= groups[place].folders
