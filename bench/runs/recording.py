"""Builds and writes `record.json`: when a run starts, goes on and ends."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from bench import devices, files, provenance, records
from bench.records import fields, layout, weights
from bench.records.layout import drop_checkpoints
from bench.runs.job import Job
from bench.training import checkpoint
from bench.training.execution_record import ExecutionRecord
from methods.contract import State


def start_record(job: Job, old: dict[str, Any], how: ExecutionRecord) -> dict[str, Any]:
    """Writes the record of a run that begins (where `old` is empty) or goes on, and returns it."""
    return _resumed(job, old, how) if old else _started(job, how)


def _started(job: Job, how: ExecutionRecord) -> dict[str, Any]:
    info = _of_any(job) | {
        "status": "unfinished",
        "iteration": 0,
        "best_iteration": 0,
        "episodes_digest": {split: job.stream(split).digest for split in ("train", "valid")},
        "execution": how.stated,
        "files": {},
    }
    records.write_json(job.folder / layout.RECORD, info)
    return info


def write_adopted_record(job: Job, state: State | None, about: dict[str, Any]) -> None:
    """Writes the record of weights that were trained elsewhere, `about` which is what is known: nothing was executed
    here, no episode was seen, and there is no best on validation. None: not even the weights are here."""
    names = [] if state is None else [layout.WEIGHTS]
    if state is not None:
        weights.save_state(job.folder / layout.WEIGHTS, state)
    iteration = job.protocol.training.iterations
    info = _of_any(job) | {
        "status": "finished",
        "iteration": iteration,
        "best_iteration": iteration,
        "origin": about,
        "execution": {},
        "files": {name: files.sha256(job.folder / name) for name in names},
    }
    records.write_json(job.folder / layout.RECORD, info)


def _of_any(job: Job) -> dict[str, Any]:
    """What every record says."""
    data = job.workload.data
    return {
        "format": fields.FORMAT,
        **keys(job),
        "data": {k: getattr(data, k) for k in ("name", "digest", "known_as", "partial")} | {"shape": list(data.shape)},
        "environment": provenance.describe(),
        **asked(job),
    }


def keys(job: Job) -> dict[str, Any]:
    """What is run; of a method that does not ship, the file that holds it."""
    about = job.workload.method.about
    return {
        "benchmark": job.benchmark.name,
        "method": job.method,
        "settings": list(job.workload.method.settings),
        **({"code": about} if about else {}),
        "seed": job.seed,
        "preset": job.preset,
        "training": asdict(job.protocol.training),
        "training_hash": job.key.hash,
    }


def asked(job: Job) -> dict[str, Any]:
    """The command that asked for a run, and the experiment that this read, or None."""
    return {"command": job.command, "experiment": job.experiment and job.experiment.kept}


def _resumed(job: Job, old: dict[str, Any], how: ExecutionRecord) -> dict[str, Any]:
    """Bits are promised for equal execution only: what a run goes on with is recorded where it differs."""
    latest = old["resumed"][-1] if old.get("resumed") else old
    here = {"execution": how.stated, "environment": how.environment}
    if all(latest[name] == value for name, value in here.items()):
        return old
    info = old | {"resumed": [*old.get("resumed", []), here | {"iteration": old["iteration"]}]}
    records.write_json(job.folder / layout.RECORD, info)
    return info


def finish_record(job: Job, info: dict[str, Any], progress: checkpoint.Progress, place: int) -> dict[str, Any]:
    """Writes weights and curve, then the record that vouches for them, and only then drops the checkpoint. `place` is
    the run's among the seeds that were trained together."""
    folder, track = job.folder, progress.tracks[place]
    weights.save_state(folder / layout.WEIGHTS, progress.of(place))
    weights.save_state(folder / layout.BEST, track.best)
    frame = checkpoint.curve(track)
    files.write_atomically(folder / layout.CURVE, lambda path: frame.to_parquet(path))
    names = [
        layout.WEIGHTS,
        layout.BEST,
        layout.CURVE,
        *(p.name for p in sorted(folder.glob("weights@*.safetensors"))),
    ]
    info = info | {
        "status": "finished" if track.diverged_at is None else "diverged",
        "iteration": track.diverged_at or progress.iteration,
        "best_iteration": track.best_iteration,
        "best_score": track.best_score if track.best_iteration else None,
        "seconds": progress.seconds,
        "peak_memory_bytes": devices.peak_memory_bytes(job.workload.device),
        "files": {name: files.sha256(folder / name) for name in names},
    }
    if track.diverged_at is not None:
        info["diverged_at"] = track.diverged_at
    records.write_json(folder / layout.RECORD, info)
    drop_checkpoints(folder)
    return info
