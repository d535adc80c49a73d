"""A training as it stands between two iterations: as it begins, on disk, and as it goes on from there, bit by bit."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from bench import files
from bench.errors import UserError
from bench.protocols.protocol import Training
from bench.records import layout, weights
from bench.training.execution import Execution
from bench.training.optimiser import adam
from methods.contract import State

_SHARED = ("iteration", "row_start", "seconds")
_OF_SEED = ("diverged_at", "best_score", "best_iteration", "rows")
_OF_ANOTHER_RUN = (LookupError, ValueError, RuntimeError, TypeError, AttributeError)  # of what such a file can hold
Saved = tuple[dict[str, Tensor], dict[str, Any]]  # a checkpoint: tensors, and what there is to say


@dataclass
class Track:
    """What is kept of one seed, beside its place in the tensors of all."""

    best: State
    best_score: float
    best_iteration: int = 0
    diverged_at: int | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Progress:
    """Everything that a training carries from one iteration to the next: `state` [seeds, ...], a track for each."""

    state: State
    optimiser: torch.optim.Adam
    loss_sum: Tensor
    tracks: list[Track]
    iteration: int = 0
    row_start: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: {"training": 0.0, "validation": 0.0})
    clock: float = 0.0

    def of(self, place: int) -> State:
        """One seed's state, as views."""
        return State(*({name: tensor[place] for name, tensor in part.items()} for part in self.state))

    @property
    def diverged(self) -> bool:
        """Whether no seed is left to train."""
        return all(track.diverged_at is not None for track in self.tracks)

    def spend(self, what: str) -> None:
        """Books the time since it was last booked; called where the device has nothing left to do."""
        now = time.monotonic()
        self.seconds[what] += now - self.clock
        self.clock = now


def begun(initial: Sequence[State], execution: Execution, training: Training, worst: float) -> Progress:
    """A training that begins at these states, one a seed. `worst`: what every score is better than."""
    parts, device = zip(*initial, strict=True), execution.device
    state = State(*({name: torch.stack([one[name] for one in part]).to(device) for name in part[0]} for part in parts))
    optimiser = adam(state.params.values(), training, execution.graph, execution.on_kernels)
    progress = Progress(state, optimiser, torch.zeros(len(initial), device=device), [])
    progress.tracks = [Track(copied(progress.of(place)), worst) for place in range(len(initial))]
    return progress


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
    except _OF_ANOTHER_RUN as error:
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


def curve(track: Track) -> pd.DataFrame:
    """The learning curve: iteration, train_loss (mean since the row before), valid_score or NaN, seconds."""
    columns = {"iteration": "int64", "train_loss": "float64", "valid_score": "float64", "seconds": "float64"}
    return pd.DataFrame(track.rows, columns=list(columns)).astype(columns)


def copied(state: State) -> State:
    """The same in tensors of its own."""
    return State(*({name: tensor.clone() for name, tensor in part.items()} for part in state))


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
    except _OF_ANOTHER_RUN as error:
        raise _no_checkpoint(folder) from error
    return found


def _no_checkpoint(folder: Path) -> UserError:
    return UserError(f"{folder / layout.CHECKPOINT} is no checkpoint of this run; `--force` trains it again")


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
    for index, param in enumerate(progress.state.params.values()):
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
