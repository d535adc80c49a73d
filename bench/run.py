"""One run from its keys to its record: train unless trained, evaluate unless evaluated, lose nothing."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout

from bench import (
    batches,
    checkpoints,
    environment,
    episodes,
    evaluate,
    execution,
    objectives,
    presets,
    protocol,
    records,
    train,
)
from bench.benchmarks import Benchmark
from bench.data.images import ImageSet
from bench.errors import UserError
from bench.networks import conv4
from methods import METHODS
from methods.contract import Method, Setup, State


@dataclass(frozen=True)
class Job:
    """One run that is asked for: what is hashed, where it lands, and how it executes."""

    benchmark: Benchmark
    method: str
    seed: int
    protocol: protocol.Protocol
    preset: str
    images: ImageSet
    results: Path
    device: torch.device
    chunk: int | None = None
    command: str = ""
    place: Path | None = None  # the record's folder, where a user named one

    @cached_property
    def hash(self) -> str:
        """The training hash."""
        return protocol.training_hash(self.protocol.training, self.images.digest)

    @cached_property
    def folder(self) -> Path:
        """Where the record lies."""
        return self.place or records.run_folder(self.results, self.benchmark.name, self.method, self.hash, self.seed)

    @property
    def name(self) -> str:
        """`<benchmark>/<method>/<hash>/seed<k>`."""
        return "/".join(self.folder.parts[-4:])

    def check(self) -> None:
        """Raises UserError where this can never run, before anything starts."""
        able = METHODS[self.method].batch_statistics
        for evaluation in (self.protocol.evaluation, self.validating().protocol.evaluation):
            if evaluation.batch_statistics not in able:
                mode = f"batch_statistics={evaluation.batch_statistics}"
                raise UserError(f"{self.method} cannot be evaluated with {mode}: it has {' or '.join(able)}")
            for split in ("valid", "test"):
                episodes.check(
                    self.benchmark, episodes.classes_of(self.benchmark, self.images, split), evaluation.queries
                )
        train_classes = episodes.classes_of(self.benchmark, self.images, "train")
        episodes.check(self.benchmark, train_classes, self.protocol.training.queries)

    def build(self) -> Method:
        """The method, for this benchmark and protocol."""
        classes = len(episodes.classes_of(self.benchmark, self.images, "train"))
        training, evaluation = self.protocol.training, self.protocol.evaluation
        network = conv4(self.benchmark, training)
        return METHODS[self.method](
            Setup(network, objectives.cross_entropy, self.benchmark.ways, classes, training, evaluation)
        )

    def source(self, split: str, seed: int, queries: int) -> batches.Source:
        """The episodes of a split, on the device."""
        return batches.source(self.benchmark, self.images, split, seed, queries, self.device)

    def execution(self, queries: int) -> execution.Execution:
        """How steps run on episodes of so many queries a class: chosen from the whole run."""
        chunk = self.chunk or execution.chunk_size(self.benchmark, self.protocol.training, queries, self.device)
        return execution.Execution(self.device, chunk)

    def validating(self) -> Job:
        """The same under the evaluation of its preset: validation, and so the best weights, are the training's own
        and do not depend on which evaluation is asked for first."""
        evaluation = presets.preset(self.preset, self.benchmark).evaluation
        return replace(self, protocol=protocol.Protocol(self.protocol.training, evaluation))


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
        if info["status"] == "finished":
            info = _evaluate(job, info, None)[0]
        return str(info["status"])


def evaluated(job: Job, at: int | None) -> records.Evaluated:
    """Evaluates a trained run's weights at iteration `at` (None: as the evaluation says) and adds the scores to it.

    Raises Busy where another process works on it, UserError where the outputs are not finite."""
    with _locked(job.folder):
        _info, found = _evaluate(job, _sound(job.folder), at)
    if found is None:
        raise UserError(f"{job.name} diverged: its outputs on test episodes are not finite, and are no score")
    return found


def _evaluate(job: Job, info: dict[str, Any], at: int | None) -> tuple[dict[str, Any], records.Evaluated | None]:
    evaluation, method, started = job.protocol.evaluation, job.build(), time.monotonic()
    runner = job.execution(evaluation.queries)
    iteration, name = weights_of(job.folder, info, evaluation, at)
    path = _checked(job.folder, name, info)
    state = checkpoints.load_state(path, job.device)
    valid = job.source("valid", episodes.EVALUATION_SEED, evaluation.queries)
    # A method with nothing to choose needs no validation here: one episode shows which step is its last.
    choice = evaluate.choose(runner, method, state, valid, 1, evaluation.finetune_episodes)
    test = job.source("test", episodes.EVALUATION_SEED, evaluation.queries)
    scores = evaluate.scores(runner, method, state, test, evaluation.episodes, choice.setting)
    if not np.isfinite(scores[:, choice.step]).all():
        info = info | {"status": "diverged", "diverged_at": iteration}
        records.write_json(job.folder / records.RECORD, info)
        return info, None
    about = {
        "setting": dict(choice.setting),
        "score": "accuracy",
        "seconds": time.monotonic() - started,
        "episodes_digest": _digest(job, "test", episodes.EVALUATION_SEED, evaluation.queries),
        "execution": _execution(job, runner),
        "environment": environment.describe(),
    }
    records.write_evaluation(job.folder, evaluation, iteration, choice.step, scores, about)
    return info, records.Evaluated(evaluation, iteration, choice.step, scores, about)


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
    info = _started(job, runner)
    sources = (
        job.source("train", job.seed, training.queries),
        job.source("valid", episodes.EVALUATION_SEED, evaluation.queries),
    )

    def saved(iteration: int) -> None:
        records.write_json(job.folder / records.RECORD, info | {"iteration": iteration})

    trainer = train.Trainer(job.build(), job.protocol, runner, *sources, job.folder, saved)
    with watch.stop:
        progress = trainer.run(initial_state(method, job.seed), watch)
    return _finished(job, info, progress)


def initial_state(method: Method, seed: int) -> State:
    """What training starts from: keyed by the seed alone, so that methods of one shape start from the same weights."""
    key = hashlib.sha256(f"init/{seed}".encode()).digest()
    return method.init(torch.Generator().manual_seed(int.from_bytes(key[:8], "little") >> 1))


def _borrowed(job: Job, owner: str, watch: train.Watch) -> dict[str, Any]:
    """The weights of another method's run of the same keys, which is trained first where it is missing."""
    lender = replace(job, method=owner)
    with _locked(lender.folder):
        info = _read(lender.folder)
        if info is None or info["status"] == "unfinished":
            info = _trained(lender, watch)
    job.folder.mkdir(parents=True, exist_ok=True)
    for name in info["files"]:
        source = _checked(lender.folder, name, info)
        records.write_atomically(job.folder / name, lambda path, source=source: shutil.copyfile(source, path))
    info = info | {"method": job.method, "weights_of": lender.name, "command": job.command}
    records.write_json(job.folder / records.RECORD, info)
    return info


def _started(job: Job, runner: execution.Execution) -> dict[str, Any]:
    """The record of a run that is under way: as it was first written, where the run is resumed, with what differs."""
    old = _read(job.folder)
    if old is not None:
        return _resumed(job, old, _execution(job, runner))
    training, evaluation = job.protocol.training, job.protocol.evaluation
    info = {
        "format": records.FORMAT,
        "benchmark": job.benchmark.name,
        "method": job.method,
        "seed": job.seed,
        "preset": job.preset,
        "training": asdict(training),
        "training_hash": job.hash,
        "status": "unfinished",
        "iteration": 0,
        "best_iteration": 0,
        "data": {k: getattr(job.images, k) for k in ("name", "digest", "known_as", "partial")},
        "episodes_digest": {
            "train": _digest(job, "train", job.seed, training.queries),
            "valid": _digest(job, "valid", episodes.EVALUATION_SEED, evaluation.queries),
        },
        "environment": environment.describe(),
        "execution": _execution(job, runner),
        "command": job.command,
        "files": {},
    }
    records.write_json(job.folder / records.RECORD, info)
    return info


def _finished(job: Job, info: dict[str, Any], progress: train.Progress) -> dict[str, Any]:
    """Writes weights and curve, then the record that vouches for them, and only then drops the checkpoint."""
    folder = job.folder
    checkpoints.save_state(folder / records.WEIGHTS, progress.state)
    checkpoints.save_state(folder / records.BEST, progress.best)
    frame = train.curve(progress)
    records.write_atomically(folder / records.CURVE, lambda path: frame.to_parquet(path))
    names = [
        records.WEIGHTS,
        records.BEST,
        records.CURVE,
        *(p.name for p in sorted(folder.glob("weights@*.safetensors"))),
    ]
    info = info | {
        "status": "finished" if progress.diverged_at is None else "diverged",
        "iteration": progress.iteration,
        "best_iteration": progress.best_iteration,
        "best_score": progress.best_score if progress.best_iteration else None,
        "seconds": progress.seconds,
        "peak_memory_bytes": environment.peak_memory_bytes(job.device),
        "files": {name: records.sha256(folder / name) for name in names},
    }
    if progress.diverged_at is not None:
        info["diverged_at"] = progress.diverged_at
    records.write_json(folder / records.RECORD, info)
    (folder / records.CHECKPOINT).unlink(missing_ok=True)
    return info


def _execution(job: Job, runner: execution.Execution) -> dict[str, Any]:
    return {
        "device": str(job.device),
        "chunk": runner.chunk,
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }


def _digest(job: Job, split: str, seed: int, queries: int) -> str:
    return episodes.digest(job.benchmark, job.images, split, seed, queries)


def _resumed(job: Job, old: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """Bits are promised for equal execution only: a resumption on other terms is recorded as such."""
    latest = old["resumed"][-1] if old.get("resumed") else old
    here = {"execution": now, "environment": environment.describe()}
    if all(latest[name] == value for name, value in here.items()):
        return old
    info = old | {"resumed": [*old.get("resumed", []), here | {"iteration": old["iteration"]}]}
    records.write_json(job.folder / records.RECORD, info)
    return info


def _read(folder: Path) -> dict[str, Any] | None:
    return _sound(folder) if (folder / records.RECORD).exists() else None


def _sound(folder: Path) -> dict[str, Any]:
    """The record of a run that a user named; damage is a UserError."""
    try:
        return records.read_info(folder)
    except records.Corrupt as error:
        raise UserError(f"{error}; `run --force` makes it again") from error


def _checked(folder: Path, name: str, info: dict[str, Any]) -> Path:
    """A file of the record whose content is the recorded one; damage is a UserError."""
    try:
        return records.checked(folder, name, info["files"])
    except records.Corrupt as error:
        raise UserError(f"{error}; `run --force` makes it again") from error


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
