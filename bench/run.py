"""One run from its keys to its record: train unless trained, evaluate unless evaluated, lose nothing."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from bench import account, checkpoints, environment, episodes, evaluate, protocol, records, train
from bench.errors import UserError
from bench.job import Job, initial_state


class Busy(Exception):
    """Another process works on this run."""


def complete(job: Job, watch: train.Watch, force: bool = False) -> str:
    """Does what is missing of a run; returns `finished`, `diverged`, or `skipped` where it was finished before.

    Raises Busy where another process works on it, train.Interrupted where `watch.stop` said so."""
    job.check()
    if watch.keep and max(watch.keep) > job.protocol.training.iterations:
        raise UserError(f"--keep {max(watch.keep)}: the run has {job.protocol.training.iterations} iterations")
    with _locked(job.folder):
        if force:
            _clear(job.folder)
        info = _read(job.folder)
        if info is not None and _complete(job, info):
            return "skipped" if info["status"] == "finished" else str(info["status"])
        info = _trained(job, watch) if info is None or info["status"] == "unfinished" else info
        if info["status"] == "finished" and _evaluate(job, info, None) is None:
            info = _diverged(job, info)
        return str(info["status"])


def evaluated(job: Job, at: int | None) -> records.Evaluated:
    """Evaluates a trained run's weights at iteration `at` (None: as the evaluation says) and adds the scores to it.

    Raises Busy where another process works on it, UserError where the outputs are not finite."""
    with _locked(job.folder):
        found = _evaluate(job, records.read_info(job.folder), at)
    if found is None:
        raise UserError(f"{job.name}: under this evaluation the outputs are not finite, and are no score")
    return found


def _evaluate(job: Job, info: dict[str, Any], at: int | None) -> records.Evaluated | None:
    """Adds an evaluation to the record; None, and nothing added, where the outputs that count are not finite."""
    evaluation, method, started = job.protocol.evaluation, job.build(), time.monotonic()
    runner = job.execution(evaluation.queries)
    iteration, name = weights_of(job.folder, info, evaluation, at)
    path = records.checked(job.folder, name, info["files"])
    state = checkpoints.load_state(path, job.device)
    valid = job.source("valid", episodes.EVALUATION_SEED, evaluation.queries)
    # A method with nothing to choose needs no validation here: one episode shows which step is its last.
    choice = evaluate.choose(runner, method, state, valid, 1, evaluation.finetune_episodes)
    test = job.source("test", episodes.EVALUATION_SEED, evaluation.queries)
    scores = evaluate.scores(runner, method, state, test, evaluation.episodes, choice.setting)
    if not np.isfinite(scores[:, choice.step]).all():
        return None
    about = {
        "setting": dict(choice.setting),
        "score": "accuracy",
        "seconds": time.monotonic() - started,
        "episodes_digest": account.digest(job, "test", episodes.EVALUATION_SEED, evaluation.queries),
        "execution": account.executed(job, runner),
        "environment": environment.describe(),
    }
    records.write_evaluation(job.folder, evaluation, iteration, choice.step, scores, about)
    return records.Evaluated(evaluation, iteration, choice.step, scores, about)


def weights_of(folder: Path, info: dict[str, Any], evaluation: protocol.Evaluation, at: int | None) -> tuple[int, str]:
    """The iteration to evaluate and the file of its weights. Raises UserError where that iteration was not kept."""
    last, best = info["iteration"], info["best_iteration"]
    if at is None:
        return (best, records.BEST) if evaluation.weights == "best" else (last, records.WEIGHTS)
    if evaluation.weights == "best":
        raise UserError("--at names an iteration, weights=best another: leave one of them away")
    known = {int(name.split("@")[1].split(".")[0]): name for name in info["files"] if "@" in name}
    known |= {best: records.BEST} | {last: records.WEIGHTS}
    if at not in known:
        have = ", ".join(str(k) for k in sorted(known))
        raise UserError(
            f"{folder}: no weights of iteration {at}, only of {have} (`run --force --keep {at}` keeps them)"
        )
    return at, known[at]


def _trained(job: Job, watch: train.Watch) -> dict[str, Any]:
    method = job.build()
    if method.weights_of is not None:
        return _borrowed(job, method.weights_of, watch)
    job = job.validating()
    training, evaluation = job.protocol.training, job.protocol.evaluation
    runner = job.execution(training.queries)
    environment.forget_peak_memory(job.device)
    old = _read(job.folder)
    info = account.started(job, runner) if old is None else account.resumed(job, old, runner)
    sources = (
        job.source("train", job.seed, training.queries),
        job.source("valid", episodes.EVALUATION_SEED, evaluation.queries),
    )

    def saved(iteration: int) -> None:
        records.write_json(job.folder / records.RECORD, info | {"iteration": iteration})

    trainer = train.Trainer(job.build(), job.protocol, runner, *sources, job.folder, saved)
    with watch.stop:
        progress = trainer.run(initial_state(method, job.seed), watch)
    return account.finished(job, info, progress)


def _borrowed(job: Job, owner: str, watch: train.Watch) -> dict[str, Any]:
    """The weights of another method's run of the same keys, which is trained first where it is missing."""
    lender = replace(job, method=owner)
    with _locked(lender.folder):
        info = _read(lender.folder)
        if info is None or info["status"] == "unfinished":
            info = _trained(lender, watch)
    job.folder.mkdir(parents=True, exist_ok=True)
    for name in info["files"]:
        source = records.checked(lender.folder, name, info["files"])
        records.write_atomically(job.folder / name, lambda path, source=source: shutil.copyfile(source, path))
    info = info | {"method": job.method, "weights_of": lender.name, "command": job.command}
    records.write_json(job.folder / records.RECORD, info)
    return info


def _read(folder: Path) -> dict[str, Any] | None:
    return records.read_info(folder) if (folder / records.RECORD).exists() else None


def _diverged(job: Job, info: dict[str, Any]) -> dict[str, Any]:
    """A run that cannot be scored at all; one that was scored under another evaluation stays what it is."""
    if any((job.folder / "evaluations").glob("*.json")):
        raise UserError(f"{job.name}: under this evaluation the outputs are not finite, and are no score")
    info = info | {"status": "diverged", "diverged_at": info["iteration"]}
    records.write_json(job.folder / records.RECORD, info)
    return info


def _complete(job: Job, info: dict[str, Any]) -> bool:
    """Whether nothing is left to do: a diverged run has nothing to evaluate."""
    if info["status"] != "finished":
        return info["status"] == "diverged"
    iteration, _ = weights_of(job.folder, info, job.protocol.evaluation, None)
    stem = records.evaluation_stem(job.protocol.evaluation, iteration)
    try:
        records.read_evaluation(job.folder / "evaluations" / f"{stem}.json")
    except records.Corrupt:  # or missing: the weights are there to make it again
        return False
    return True


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keeps a second process out; the lock of a process that died is free. Raises Busy."""
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise Busy(folder) from None
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror}") from error
    try:
        for left_over in folder.rglob(".*.tmp"):  # of a process that was killed while it wrote
            left_over.unlink(missing_ok=True)
        yield
    finally:
        lock.release()


def _clear(folder: Path) -> None:
    for path in [folder / records.RECORD, *folder.glob("*.safetensors"), *folder.glob("*.parquet")]:
        path.unlink(missing_ok=True)
    shutil.rmtree(folder / "evaluations", ignore_errors=True)
