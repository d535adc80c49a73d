"""Saves the state of a training between two iterations, and resumes from it bit for bit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from bench import files
from bench.errors import UserError
from bench.records import layout, weights
from bench.training.progress import Progress, curve

_SHARED = ("iteration", "row_start", "seconds")
_OF_SEED = ("diverged_at", "best_score", "best_iteration", "rows")
_CHECKPOINT_ERRORS = (LookupError, ValueError, RuntimeError, TypeError, AttributeError)  # of a damaged or foreign file
Saved = tuple[dict[str, Tensor], dict[str, Any]]  # a checkpoint: tensors and metadata


def save(progress: Progress, folders: Sequence[Path]) -> None:
    """Writes the checkpoints of all seeds, first under a temporary name: wherever this is interrupted, there is an
    iteration for which every seed has a checkpoint."""
    for place, folder in enumerate(folders):
        weights.save(folder / layout.NEXT_CHECKPOINT, *_as_saved(progress, place))
    for folder in folders:
        with files.writing(folder / layout.CHECKPOINT):
            files.replace(folder / layout.NEXT_CHECKPOINT, folder / layout.CHECKPOINT)


def resume(progress: Progress, folders: Sequence[Path], iterations: int) -> None:
    """Restores a training from the folders' checkpoints, if there are any. Raises UserError if they belong to another
    run, or have no iteration in common."""
    found = [_checkpoints(folder, progress.loss_sum.device) for folder in folders]
    try:
        at = max(frozenset.intersection(*(frozenset(checkpoints) for checkpoints in found)))
        saved = [each for checkpoints in found if (each := checkpoints[at]) is not None]
        for _, about in saved:
            _check_about(about, iterations)
        if saved:
            _restore(progress, saved)
    except _CHECKPOINT_ERRORS as error:
        raise _no_checkpoint(folders[0]) from error


def save_optimiser(progress: Progress, place: int, path: Path) -> None:
    """Writes the optimiser state of one seed, which a longer training needs in addition to weights and curve."""
    weights.save(path, _moments(progress, place))


def save_finished(source: Path, info: dict[str, Any], folder: Path) -> None:
    """Writes a finished training of one seed, whose record is `info`, into another folder as a checkpoint."""
    device = torch.device("cpu")
    now, best = (weights.load_state(source / name, device) for name in (layout.WEIGHTS, layout.BEST))
    moments, _ = weights.load(source / layout.OPTIMISER, device)
    rows = pd.read_parquet(source / layout.CURVE).astype(object)
    about = {name: info[name] for name in ("iteration", "seconds", "best_score", "best_iteration")}
    about |= {"row_start": info["iteration"], "diverged_at": None}
    about["rows"] = rows.where(rows.notna(), None).to_dict("records")
    tensors = weights.flat(now, "now.") | weights.flat(best, "best.") | moments
    weights.save(folder / layout.CHECKPOINT, tensors | {"loss_sum": torch.zeros(())}, about)


def stages(folder: Path) -> frozenset[int]:
    """The iterations that a training can resume from, 0 being the start; there are two if a save was interrupted.
    Raises UserError."""
    return frozenset(_checkpoints(folder, torch.device("cpu")))


def _as_saved(progress: Progress, place: int) -> Saved:
    """The checkpoint of one seed."""
    track = progress.tracks[place]
    tensors = weights.flat(progress.of(place), "now.") | weights.flat(track.best, "best.") | _moments(progress, place)
    about = {name: getattr(progress, name) for name in _SHARED} | {name: getattr(track, name) for name in _OF_SEED}
    about["best_score"] = track.best_score if math.isfinite(track.best_score) else None
    return tensors | {"loss_sum": progress.loss_sum[place]}, about


def _moments(progress: Progress, place: int) -> dict[str, Tensor]:
    """The optimiser state of one seed."""
    return {
        f"adam.{index}.{name}": value if value.dim() == 0 else value[place]
        for index, moments in progress.optimiser.state_dict()["state"].items()
        for name, value in moments.items()
    }


def _checkpoints(folder: Path, device: torch.device) -> dict[int, Saved | None]:
    """Iteration -> checkpoint, or None for the start; there are two if a save was interrupted."""
    last, following = (folder / name for name in (layout.CHECKPOINT, layout.NEXT_CHECKPOINT))
    found: dict[int, Saved | None] = {} if last.exists() else {0: None}
    try:
        for path in (path for path in (last, following) if path.exists()):
            tensors, about = weights.load(path, device)
            found[about.get("iteration", -1)] = tensors, about
    except _CHECKPOINT_ERRORS as error:
        raise _no_checkpoint(folder) from error
    return found


def _no_checkpoint(folder: Path) -> UserError:
    return UserError(f"{folder / layout.CHECKPOINT} is not a checkpoint of this run; `--force` trains it again")


def _check_about(about: dict[str, Any], iterations: int) -> None:
    """Raises an error if the metadata of a checkpoint are impossible for this run."""
    numbers = [about["iteration"], about["row_start"], about["best_iteration"], about["diverged_at"] or 0]
    times = [about["seconds"][part] for part in ("training", "validation")]
    if not all(type(n) is int and 0 <= n <= iterations for n in numbers) or not all(type(t) is float for t in times):
        raise ValueError("no iteration, or no time")
    if type(about["best_score"]) not in (float, type(None)):
        raise TypeError("no score")


def _check_like(ours: Tensor, theirs: Tensor) -> None:
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        raise ValueError("tensors of another shape")  # torch might broadcast them


def _restore(progress: Progress, saved: Sequence[Saved]) -> None:
    tensors = {
        name: torch.stack([part[name] for part, _ in saved]) for name in saved[0][0] if not name.startswith("best.")
    }
    now = weights.unflat(tensors, "now.")
    for ours, theirs in zip(progress.state, now, strict=True):
        for name, tensor in ours.items():
            _check_like(tensor, theirs[name])
            tensor.copy_(theirs[name])
    progress.loss_sum.copy_(tensors["loss_sum"])
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("adam."):
            _, place, name = key.split(".")
            moments.setdefault(int(place), {})[name] = value[0] if name == "step" else value
    kept = isinstance(progress.optimiser, torch.optim.Adam)
    for index, param in enumerate(progress.state.params.values() if kept else ()):
        for name, like in (("exp_avg", param), ("exp_avg_sq", param), ("step", torch.tensor(0.0))):
            _check_like(like, moments[index][name])
    progress.optimiser.load_state_dict(progress.optimiser.state_dict() | {"state": moments})
    for name in _SHARED:
        setattr(progress, name, saved[0][1][name])
    for track, (own, about) in zip(progress.tracks, saved, strict=True):
        worst = track.best_score
        for name in _OF_SEED:
            setattr(track, name, about[name])
        track.best_score = worst if about["best_score"] is None else about["best_score"]
        track.best = weights.unflat(own, "best.")
        for ours, theirs in zip(progress.of(0), track.best, strict=True):
            for name, tensor in ours.items():
                _check_like(tensor, theirs[name])
        curve(track)  # raises if the rows are malformed
