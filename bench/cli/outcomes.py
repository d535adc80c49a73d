"""Reports the outcomes of runs as text and as an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bench.analysis.collapse import ADVICE, collapse_text, collapsed
from bench.cli.json_events import Emit
from bench.errors import command_line, quantity
from bench.protocols.measures import MEASURES

if TYPE_CHECKING:
    from bench.records import Evaluated
    from bench.runs.groups import Ended, GroupEvent, SeedGroup
    from bench.runs.job import Job


@dataclass
class Outcomes:
    """A GroupListener that prints the outcome of each seed group. `keep`: the iterations whose weights the user asked
    for; `worked_on`: the folders of the runs that this command has trained or tested already, which it adds to."""

    groups: Sequence[SeedGroup]
    keep: Sequence[int]
    emit: Emit
    worked_on: set[Path]
    code: int = 0
    stopped: list[str] = field(default_factory=list)  # which group stopped, and where in its training
    _ended: set[int] = field(default_factory=set)

    def __call__(self, place: int, event: GroupEvent) -> None:
        """Prints a group's outcome when the group has ended."""
        from bench.runs.groups import Ended

        if isinstance(event, Ended):
            self._ended.add(place)
            self._print(self.groups[place], event)

    def left(self) -> list[str]:
        """Where the work stopped, or the first group that was not started; empty if all groups have ended."""
        missing = [group for place, group in enumerate(self.groups) if place not in self._ended]
        return self.stopped or [f"before {group.name}" for group in missing[:1]]

    def _print(self, group: SeedGroup, ended: Ended) -> None:
        if ended.stopped:
            self.stopped.append(f"{group.name} {ended.stopped}")
        if ended.error:
            print(f"error: {group.name}: {ended.error}", file=sys.stderr)
            self.emit("error", runs=[job.name for job in group.jobs], text=ended.error)
        for job, outcome in zip(group.jobs, ended.outcomes, strict=False):
            skipped = "done above" if job.folder in self.worked_on else "already finished (--force runs it again)"
            text = f"{skipped}: " * (outcome == "skipped") + _outcome(job, outcome, self.keep)
            if outcome == "finished":
                self.worked_on.add(job.folder)
            print(f"{job.name}: {text}", flush=True)
            self.emit("outcome", run=job.name, folder=str(job.folder), outcome=outcome, text=text)
        self.code = max(self.code, 2 if ended.error else int("diverged" in ended.outcomes))


def _outcome(job: Job, outcome: str, keep: Sequence[int]) -> str:
    from bench.records.layout import kept_weights
    from bench.runs import grids, user_methods
    from bench.runs.status import RunStatus

    if outcome == "busy":
        return "skipped: another process is training this run"
    status = RunStatus.read(job)
    info = status.info
    if info["status"] == "diverged":
        where = f"diverged at iteration {info.get('diverged_at', info['iteration'])}"
        return f"{where}: the loss or the weights are no longer finite; the learning curve is kept"
    if job.candidate:
        found = grids.valid_score(job)
        valid = "no finite score" if found is None else job.benchmark.measure.written(found)
        return f"{valid} on validation after {quantity(info['iteration'], 'iteration')}; tested only if chosen"
    if not job.workload.tested_here:
        later = command_line("evaluate", job.folder, *user_methods.options(job.workload.method))
        return f"trained, not tested: the data here are incomplete. With all of them: {later}"
    tested = "; ".join(score(each) for _, each in sorted(status.evaluations.items()) if each)
    wanted = {*keep, *(job.milestones if job.protocol.evaluation.weights == "last" else ())}
    lost = sorted(wanted - {*kept_weights(info), info["iteration"]})
    missing = f"; the weights of iteration {', '.join(map(str, lost))} were not kept (--force trains again)"
    return tested + missing * bool(lost)


def score(found: Evaluated, length_known: bool = True) -> str:
    """The mean score of an evaluation and its number of episodes, or why there is no mean. `length_known`: whether the
    number of training iterations is known."""
    measure, final = MEASURES[found.info["score"]], found.final
    mean = f"{measure.written(final.mean())} on {len(final)} test episodes"
    if found.lost:
        mean = f"no mean score: the outputs are not finite in {found.lost} of {len(final)} test episodes"
    length = quantity(found.iteration, "iteration") if length_known else "a training of unknown length"
    fault = f"; {collapse_text(final, measure)}: {ADVICE}" if collapsed(final, measure) else ""
    return f"{mean} after {length}, inner step {found.inner_step}{fault}"
