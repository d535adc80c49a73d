"""Seed groups, and the interface of the engines that work through them: this process, several on this machine, or a Ray
cluster.

A seed group trains together: runs of one benchmark and method that differ only in their seeds. Every engine does for a
group what `bench.runs.complete` does, so that locks, checkpoints and resumption are the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from bench.episodes.stream import Data
from bench.runs.job import Job
from bench.training.watch import Event, Listener, Scored, Step, Stop

ATTEMPTS = 4  # how often a group is started whose worker keeps dying


@dataclass(frozen=True)
class SeedGroup:
    """Runs that train together. `anew`: the seeds to start again from the beginning, whatever is there."""

    jobs: tuple[Job, ...]
    anew: frozenset[int] = frozenset()

    @property
    def name(self) -> str:
        """The first run's name, followed by the other seeds."""
        return self.jobs[0].name + "".join(f",{job.seed}" for job in self.jobs[1:])

    @property
    def folders(self) -> frozenset[Path]:
        """Every folder that the group writes to: those of its runs, and those of the runs whose weights they
        evaluate."""
        return frozenset(folder for job in self.jobs for folder in (job.folder, job.weights_job.folder))

    @property
    def data(self) -> Data:
        """The data that all runs are trained on."""
        return self.jobs[0].workload.data

    def with_data(self, data: Data | None) -> SeedGroup:
        """This group with other data, or with none while it is sent to another process."""
        return replace(self, jobs=tuple(job.with_workload(data=data) for job in self.jobs))


def seed_groups(groups: Iterable[Sequence[Job]], force: bool = False) -> list[SeedGroup]:
    """These groups; with `force`, each run starts anew, but only once: where several groups share a run, as blocks of
    an experiment may, the first one trains it, and the others add to it. Those that evaluate the weights of other runs
    then come last, so that they get the new ones."""
    found: list[SeedGroup] = []
    started: set[Path] = set()
    for group in sorted(groups, key=lambda group: force and group[0].kind.weights_of is not None):
        anew = frozenset(job.seed for job in group if force and job.folder not in started)
        found.append(SeedGroup(tuple(group), anew))
        started |= {job.folder for job in group}
    return found


@dataclass(frozen=True)
class WorkOptions:
    """How every group is worked on: the options of `bench run` with these names."""

    threads: int
    checkpoint_every: float
    keep: tuple[int, ...] = ()
    fast: bool = False
    log: str | None = None


@dataclass(frozen=True)
class Started:
    """Work on a seed group has started or resumed."""


@dataclass(frozen=True)
class Ended:
    """The end of work on a seed group: the outcome of each run and whether anything was done, as `complete_runs`
    returns them; or where it was stopped; or the error that ended it."""

    outcomes: tuple[str, ...] = ()
    worked: bool = True
    stopped: str = ""  # where it stopped, for the user
    error: str = ""


GroupEvent = Started | Event | Ended
GroupListener = Callable[[int, GroupEvent], None]  # receives a group's place in the sequence, and an event
Work = Callable[[SeedGroup, WorkOptions, Listener, Stop, int], Ended]  # the int: how often it was started before


class Engine(Protocol):
    """Works through seed groups, as many at a time as it has workers."""

    @property
    def workers(self) -> int: ...

    def run(self, groups: Sequence[SeedGroup], options: WorkOptions, on_event: GroupListener, stop: Stop) -> None:
        """Completes every group. Stops early when `stop` returns True, but never before some work is done, so that a
        command that is repeated often enough finishes."""


def shows_work(event: GroupEvent) -> bool:
    """Whether an event shows work that leaves a record or a checkpoint: only after that may a command stop."""
    return event.worked if isinstance(event, Ended) else isinstance(event, Step | Scored)


def startable(waiting: Sequence[int], running: Sequence[int], groups: Sequence[SeedGroup]) -> Iterator[int]:
    """The waiting groups that share no folder with a running group, or with a waiting one before them."""
    taken = frozenset[Path]().union(*(groups[place].folders for place in running))
    for place in waiting:
        if taken.isdisjoint(groups[place].folders):
            yield place
        taken |= groups[place].folders
