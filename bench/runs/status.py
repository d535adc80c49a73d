"""How far each run is, and which trainings and evaluations are missing. Reads records, writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from bench import records
from bench.records import fields, layout
from bench.records.layout import kept_weights, weights_of
from bench.runs.job import Job
from bench.training import checkpoint


class Outcome(StrEnum):
    """The outcome of a run: `skipped` if it had finished before, `busy` if another process is working on it."""

    FINISHED = "finished"
    DIVERGED = "diverged"
    SKIPPED = "skipped"
    BUSY = "busy"


@dataclass(frozen=True)
class RunStatus:
    """A run, and its `record.json` on disk; empty if the run has not started."""

    job: Job
    info: dict[str, Any]

    @classmethod
    def read(cls, job: Job) -> RunStatus:
        """Reads the status of a run. Raises Corrupt."""
        return cls(job, records.read_info_if_any(job.folder))

    @property
    def is_trained(self) -> bool:
        """Whether the training is over: finished or diverged."""
        return self.info.get("status", "unfinished") != "unfinished"

    @cached_property
    def evaluations(self) -> dict[int, records.Evaluated | None]:
        """Iteration -> evaluation, for each one that the job asks for; None if it is missing or damaged, and can be
        made from the weights. Empty for a diverged run, and for a candidate, which must not be tested yet."""
        if self.info.get("status") != "finished" or self.job.candidate:
            return {}
        return {at: self._evaluation_or_none(at) for at in self._evaluated_at()}

    @property
    def unevaluated(self) -> list[int]:
        """The iterations whose weights are still to be evaluated, if the training does not diverge. The best weights
        count as the last ones until the training has ended."""
        if self.is_trained or not self.job.workload.tested_here:
            return [at for at, found in self.evaluations.items() if found is None]
        protocol = self.job.protocol
        early = () if protocol.evaluation.weights == "best" else self.job.milestones
        return [*early, protocol.training.iterations]

    @property
    def outcome(self) -> Outcome | None:
        """FINISHED; DIVERGED if the training diverged, or episodes of an evaluation have no score; None if something is
        left to do."""
        if not self.is_trained or None in self.evaluations.values():
            return None
        lost = any(found is not None and found.lost for found in self.evaluations.values())
        return Outcome.DIVERGED if lost or self.info["status"] == "diverged" else Outcome.FINISHED

    @property
    def left(self) -> str:
        """What is left to do: `training`, `evaluation`, or nothing."""
        return "training" if not self.is_trained else "evaluation" if self.outcome is None else ""

    def evaluation(self, at: int) -> records.Evaluated:
        """The evaluation at this iteration. Raises Corrupt if it is damaged or missing."""
        stem = layout.evaluation_stem(self.job.protocol.evaluation, at)
        return records.read_evaluation(self.job.folder / "evaluations" / f"{stem}.json")

    def _evaluation_or_none(self, at: int) -> records.Evaluated | None:
        try:
            return self.evaluation(at)
        except fields.Corrupt:
            return None

    def _evaluated_at(self) -> list[int]:
        """The iteration that the evaluation specifies, and the job's milestones whose weights were kept; empty if the
        data here have nothing to test on."""
        if not self.job.workload.tested_here:
            return []
        iteration, _ = weights_of(self.job.folder, self.info, self.job.protocol.evaluation, None)
        if self.job.protocol.evaluation.weights == "best":
            return [iteration]
        return [iteration, *(at for at in self.job.milestones if at in kept_weights(self.info))]


def resumable_groups(statuses: Sequence[RunStatus]) -> list[list[RunStatus]]:
    """The untrained runs, grouped so that each group can train as one: runs that started with the same seeds, or are
    new, and share a checkpoint iteration. A run without a record belongs to the group that lists its seed: the process
    was killed before it wrote that record. A run that evaluates another run's weights stands alone."""
    untrained = [status for status in statuses if not status.is_trained]
    began = [status.info["execution"].get("seeds", []) for status in untrained if status.info]
    groups: dict[str, list[RunStatus]] = {}
    for status in untrained:
        job = status.job
        together = next((seeds for seeds in began if job.seed in seeds), "new")
        groups.setdefault(str(together if job.kind.weights_of is None else job.seed), []).append(status)
    return [part for group in groups.values() for part in _of_one_stage(group)]


def _of_one_stage(statuses: Sequence[RunStatus]) -> list[list[RunStatus]]:
    """The runs in parts, each with a checkpoint iteration that all its runs can resume from."""
    stages = {status.job.seed: checkpoint.stages(status.job.folder) for status in statuses}
    parts: list[list[RunStatus]] = []
    for status in statuses:
        for part in parts:
            if frozenset.intersection(*(stages[each.job.seed] for each in (status, *part))):
                part.append(status)
                break
        else:
            parts.append([status])
    return parts
