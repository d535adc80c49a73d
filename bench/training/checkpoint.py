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
_CHECKPOINT_ERRORS = (LookupError, ValueError, RuntimeError, TypeError, AttributeError)  # of a damaged or foreign one
Saved = tuple[dict[str, Tensor], dict[str, Any]]  # a checkpoint: tensors, and what there is to say


def save(progress: Progress, folders: Sequence[Path]) -> None:
    """All seeds' checkpoints, each under a name for the next one first, so that whenever this is cut off there is an
    iteration of which every seed has one."""
    for place, folder in enumerate(folders):
        weights.save(folder / layout.NEXT_CHECKPOINT, *_as_saved(progress, place))
    for folder in folders:
        with files.writing(folder / layout.CHECKPOINT):
            files.replace(folder / layout.NEXT_CHECKPOINT, folder / layout.CHECKPOINT)


def resume(progress: Progress, folders: Sequence[Path], iterations: int) -> None:
    """Puts a training that begins to where the folders' checkpoints are, if there are some.

    Raises UserError where those are none of this run, or of no common iteration."""
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
    """Writes what a finished training of one seed needs to go on, beside its weights and its curve."""
    weights.save(path, _moments(progress, place))


def save_finished(source: Path, info: dict[str, Any], folder: Path) -> None:
    """Puts a finished training of one seed, whose record says `info`, into another folder as a checkpoint."""
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
    """The iterations that a training can go on from; 0: from the beginning. Two where a save was cut off. Raises
    UserError."""
    return frozenset(_checkpoints(folder, torch.device("cpu")))


def _as_saved(progress: Progress, place: int) -> Saved:
    """One seed's checkpoint."""
    track = progress.tracks[place]
    tensors = weights.flat(progress.of(place), "now.") | weights.flat(track.best, "best.") | _moments(progress, place)
    about = {name: getattr(progress, name) for name in _SHARED} | {name: getattr(track, name) for name in _OF_SEED}
    about["best_score"] = track.best_score if math.isfinite(track.best_score) else None
    return tensors | {"loss_sum": progress.loss_sum[place]}, about


def _moments(progress: Progress, place: int) -> dict[str, Tensor]:
    """The optimiser's state of one seed."""
    return {
        f"adam.{index}.{name}": value if value.dim() == 0 else value[place]
        for index, moments in progress.optimiser.state_dict()["state"].items()
        for name, value in moments.items()
    }


def _checkpoints(folder: Path, device: torch.device) -> dict[int, Saved | None]:
    """Iteration -> checkpoint, or None for the beginning; normally one, two where a save was cut off."""
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
    """Raises where a checkpoint says of itself what this run cannot have come to."""
    numbers = [about["iteration"], about["row_start"], about["best_iteration"], about["diverged_at"] or 0]
    times = [about["seconds"][part] for part in ("training", "validation")]
    if not all(type(n) is int and 0 <= n <= iterations for n in numbers) or not all(type(t) is float for t in times):
        raise ValueError("no iteration, or no time")
    if type(about["best_score"]) not in (float, type(None)):
        raise TypeError("no score")


def _check_like(ours: Tensor, theirs: Tensor) -> None:
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        raise ValueError("tensors of another shape")  # which torch could broadcast


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
        curve(track)  # raises where its rows are none
