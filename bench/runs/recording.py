"""Builds and writes `record.json`: when a run starts, resumes and ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from bench import devices, files
from bench.records import layout, weights
from bench.records.layout import drop_checkpoints
from bench.training import checkpoint
from bench.training.execution_record import ExecutionRecord
from bench.training.progress import Progress, curve
from methods.contract import State


def start_record(folder: Path, about: dict[str, Any], digests: dict[str, str], how: ExecutionRecord) -> dict[str, Any]:
    """Writes and returns the record of a run that starts. `about`: the job's fields; `digests`: split -> digest of its
    episodes."""
    info = about | {
        "status": "unfinished",
        "iteration": 0,
        "best_iteration": 0,
        "episodes_digest": digests,
        "execution": how.stated,
        "files": {},
    }
    files.write_sealed(folder / layout.RECORD, info)
    return info


def write_adopted_record(folder: Path, about: dict[str, Any], state: State | None, origin: dict[str, Any]) -> None:
    """Writes the record of weights that were trained elsewhere; `origin` is what is known about them. No execution,
    episodes or best validation score are recorded. `state` is None if not even the weights are here."""
    names = [] if state is None else [layout.WEIGHTS]
    if state is not None:
        weights.save_state(folder / layout.WEIGHTS, state)
    iteration = about["training"]["iterations"]
    info = about | {
        "status": "finished",
        "iteration": iteration,
        "best_iteration": iteration,
        "origin": origin,
        "execution": {},
        "files": {name: files.sha256(folder / name) for name in names},
    }
    files.write_sealed(folder / layout.RECORD, info)


def resume_record(folder: Path, old: dict[str, Any], how: ExecutionRecord) -> dict[str, Any]:
    """Adds the execution and environment of a resumed run to its record if they changed: equal bits are promised only
    for equal execution."""
    latest = old["resumed"][-1] if old.get("resumed") else old
    here = {"execution": how.stated, "environment": how.environment}
    if all(latest[name] == value for name, value in here.items()):
        return old
    info = old | {"resumed": [*old.get("resumed", []), here | {"iteration": old["iteration"]}]}
    files.write_sealed(folder / layout.RECORD, info)
    return info


def finish_record(
    folder: Path, info: dict[str, Any], progress: Progress, place: int, device: torch.device
) -> dict[str, Any]:
    """Writes weights and curve, then the record that lists their checksums, and only then deletes the checkpoint.
    `place`: the run's index among the seeds that were trained together."""
    track = progress.tracks[place]
    weights.save_state(folder / layout.WEIGHTS, progress.of(place))
    weights.save_state(folder / layout.BEST, track.best)
    frame = curve(track)
    files.write_atomically(folder / layout.CURVE, lambda path: frame.to_parquet(path))
    diverged = track.diverged_at is not None  # a diverged run never continues
    if not diverged:
        checkpoint.save_optimiser(progress, place, folder / layout.OPTIMISER)
    names = [
        layout.WEIGHTS,
        layout.BEST,
        layout.CURVE,
        *([] if diverged else [layout.OPTIMISER]),
        *(p.name for p in sorted(folder.glob("weights@*.safetensors"))),
    ]
    info = info | {
        "status": "diverged" if diverged else "finished",
        "iteration": track.diverged_at or progress.iteration,
        "best_iteration": track.best_iteration,
        "best_score": track.best_score if track.best_iteration else None,
        "seconds": progress.seconds,
        "peak_memory_bytes": devices.peak_memory_bytes(device),
        "files": {name: files.sha256(folder / name) for name in names},
    }
    if diverged:
        info["diverged_at"] = track.diverged_at
    files.write_sealed(folder / layout.RECORD, info)
    drop_checkpoints(folder)
    return info
