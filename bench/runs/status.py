"""What there is of a run, and what is left to do: read from its record, which nothing here changes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import records
from bench.errors import UserError
from bench.protocols import protocol
from bench.records import fields, layout
from bench.runs.job import Job
from bench.training import checkpoint


def read_if_any(folder: Path) -> dict[str, Any] | None:
    """`record.json` of a run that has begun, else None. Raises Corrupt."""
    return records.read_info(folder) if (folder / layout.RECORD).exists() else None


def ended(job: Job) -> dict[str, Any] | None:
    """The record of a run whose training is over, finished or diverged; else None."""
    info = read_if_any(job.folder)
    return None if info is None or info["status"] == "unfinished" else info


def left(job: Job) -> str:
    """What is still to be done of a run: its `training`, an `evaluation`, or nothing."""
    info = ended(job)
    return "training" if info is None else "" if is_complete(job, info) else "evaluation"


def is_complete(job: Job, info: dict[str, Any]) -> bool:
    """Whether nothing is left to do: a diverged run has nothing to evaluate."""
    if info["status"] != "finished":
        return info["status"] == "diverged"
    return all(has(job, at) for at in evaluated_at(job, info))


def lacks_scores(job: Job, info: dict[str, Any]) -> bool:
    """Whether a complete run has no score to show: its training diverged, or episodes of an evaluation have none."""
    return info["status"] == "diverged" or any(scores_at(job, at).lost for at in evaluated_at(job, info))


def going_on_together(jobs: Sequence[Job]) -> list[list[Job]]:
    """The jobs that are not trained, by the seeds that each began with: those go on together, and the new ones. One
    without a record began too where others began with it, and were cut off before its turn to say so. One that
    evaluates another run's weights waits for that run alone. What has since gone on apart stays apart."""
    infos = [read_if_any(job.folder) for job in jobs]
    began = [info["execution"].get("seeds", []) for info in infos if info and info["status"] == "unfinished"]
    groups: dict[str, list[Job]] = {}
    for job, info in zip(jobs, infos, strict=True):
        if info is None or info["status"] == "unfinished":
            together = next((seeds for seeds in began if job.seed in seeds), "new")
            groups.setdefault(str(together if job.kind.weights_of is None else job.seed), []).append(job)
    return [part for group in groups.values() for part in _of_one_stage(group)]


def _of_one_stage(jobs: Sequence[Job]) -> list[list[Job]]:
    """The jobs in parts, each of which has an iteration that all of it can go on from."""
    stages = {job.seed: checkpoint.stages(job.folder) for job in jobs}
    parts: list[list[Job]] = []
    for job in jobs:
        for part in parts:
            if frozenset.intersection(*(stages[each.seed] for each in (job, *part))):
                part.append(job)
                break
        else:
            parts.append([job])
    return parts


def evaluated_at(job: Job, info: dict[str, Any]) -> list[int]:
    """The iterations at which a trained run is evaluated: the one that the evaluation says, and its milestones, as far
    as their weights were kept."""
    iteration, _ = weights_of(job.folder, info, job.protocol.evaluation, None)
    if job.protocol.evaluation.weights == "best":
        return [iteration]
    return [iteration, *(at for at in job.milestones if at in kept(info))]


def weights_of(folder: Path, info: dict[str, Any], evaluation: protocol.Evaluation, at: int | None) -> tuple[int, str]:
    """The iteration to evaluate and the file of its weights. Raises UserError where that iteration was not kept."""
    last, best = info["iteration"], info["best_iteration"]
    if evaluation.weights == "best" and at in (None, best):
        return best, layout.BEST
    if at is None:
        return last, layout.WEIGHTS
    if evaluation.weights == "best":
        raise UserError("--at names an iteration, weights=best another: leave one of them away")
    known = kept(info) | {best: layout.BEST} | {last: layout.WEIGHTS}
    if at not in known:
        have = ", ".join(str(k) for k in sorted(known))
        raise UserError(
            f"{folder}: no weights of iteration {at}, only of {have} (`run --force --keep {at}` keeps them)"
        )
    return at, known[at]


def kept(info: dict[str, Any]) -> dict[int, str]:
    """Iteration -> file, of the weights that were kept on the way."""
    found = (re.fullmatch(r"weights@([0-9]+)\.safetensors", name) for name in info["files"])
    return {int(match[1]): match[0] for match in found if match}


def has(job: Job, at: int) -> bool:
    """Whether this evaluation is there. A damaged one is not: the weights are there to make it again."""
    try:
        scores_at(job, at)
    except fields.Corrupt:
        return False
    return True


def scores_at(job: Job, at: int) -> records.Evaluated:
    """The run's evaluation at that iteration. Raises Corrupt where it is damaged or missing."""
    stem = layout.evaluation_stem(job.protocol.evaluation, at)
    return records.read_evaluation(job.folder / "evaluations" / f"{stem}.json")
