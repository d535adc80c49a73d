"""Seed groups and what works through them: this process, several of this machine, or a Ray cluster.

A seed group is what trains together: the runs of one benchmark and method that differ in their seeds. Every engine does
for a group what `bench.runs.complete` does, so that locks, checkpoints and resumption are the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.episodes.stream import Data
from bench.runs.job import Job
from bench.training.watch import Event, Listener, Scored, Step, Stop

ATTEMPTS = 4  # at a group whose worker dies


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
        sources = [job.weights_job.folder for job in self.jobs if job.kind.weights_of is not None]
        return frozenset([*(job.folder for job in self.jobs), *sources])

    @property
    def data(self) -> Data:
        """What all of them are trained on."""
        return self.jobs[0].workload.data

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
Work = Callable[[SeedGroup, WorkOptions, Listener, Stop, int], Ended]  # the last: how often it was begun before


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


def startable(waiting: Sequence[int], running: Sequence[int], groups: Sequence[SeedGroup]) -> Iterator[int]:
    """The groups that wait and write into no folder of one that runs or stands before them."""
    taken = frozenset[Path]().union(*(groups[place].folders for place in running))
    for place in waiting:
        if taken.isdisjoint(groups[place].folders):
            yield place
        taken |= groups[place].folders
