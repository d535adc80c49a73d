"""What a run says of itself: the fields of `record.json`, when it begins, goes on and ends."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch

from bench import checkpoints, environment, episodes, records, train
from bench.execution import Execution
from bench.job import Job


def started(job: Job, runner: Execution) -> dict[str, Any]:
    """Writes and returns the record of a run that begins."""
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
            "train": digest(job, "train", job.seed, training.queries),
            "valid": digest(job, "valid", episodes.EVALUATION_SEED, evaluation.queries),
        },
        "environment": environment.describe(),
        "execution": executed(job, runner),
        "command": job.command,
        "files": {},
    }
    records.write_json(job.folder / records.RECORD, info)
    return info


def resumed(job: Job, old: dict[str, Any], runner: Execution) -> dict[str, Any]:
    """Bits are promised for equal execution only: what a run goes on with is recorded where it differs."""
    latest = old["resumed"][-1] if old.get("resumed") else old
    here = {"execution": executed(job, runner), "environment": environment.describe()}
    if all(latest[name] == value for name, value in here.items()):
        return old
    info = old | {"resumed": [*old.get("resumed", []), here | {"iteration": old["iteration"]}]}
    records.write_json(job.folder / records.RECORD, info)
    return info


def finished(job: Job, info: dict[str, Any], progress: train.Progress) -> dict[str, Any]:
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


def executed(job: Job, runner: Execution) -> dict[str, Any]:
    """How steps run: bits are promised for equal values of all of these."""
    return {
        "device": str(job.device),
        "chunk": runner.chunk,
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }


def digest(job: Job, split: str, seed: int, queries: int) -> str:
    """Of the content of a stream's first episodes."""
    return episodes.digest(job.benchmark, job.images, split, seed, queries)
