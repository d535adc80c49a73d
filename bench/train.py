"""The outer loop: meta-steps, validation as it goes, checkpoints that an interrupted run resumes from bit by bit.

Several seeds train together as one more dimension of every tensor; each leaves files of its own."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from typing import Protocol as Protocol_

import pandas as pd
import torch
from torch import Tensor

from bench import checkpoints, disk, evaluate, records
from bench.errors import UserError
from bench.evaluate import Choice
from bench.execution import Execution
from bench.feed import Feed
from bench.meta_step import MetaStep
from bench.protocol import Protocol
from bench.streams import Source
from methods.contract import Method, State

_CURVE_ROWS = 200


class Interrupted(Exception):
    """A run was asked to stop, and goes on from where it is; the argument says where that is."""


class Stop(Protocol_):
    """Asked after every iteration whether to stop; entered around a training, so that a signal waits for that."""

    def __call__(self) -> bool: ...
    def __enter__(self) -> object: ...
    def __exit__(self, *_: object) -> None: ...


@dataclass(frozen=True)
class Row:
    """A row of one seed's curve, and what else is known at its end: the validation score after each inner step (none
    where no validation was due), and the norm of the last gradient as the optimiser got it, clipped."""

    folder: Path
    iteration: int
    train_loss: float | None
    valid_score: float | None
    by_step: tuple[float, ...]
    gradient_norm: float


@dataclass(frozen=True)
class Watch:
    """What the caller wants of a training: `step` is told (iteration, loss or None, validation score or None), means
    over the seeds; `every_seconds` lie between checkpoints; `keep` names iterations whose weights are kept; `say` is
    told what a user should know; `row`, where there is one, of every row of the curves."""

    step: Callable[[int, float | None, float | None], None]
    stop: Stop
    every_seconds: float = 30.0
    keep: tuple[int, ...] = ()
    say: Callable[[str], None] = print
    row: Callable[[Row], None] | None = None


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


@dataclass(frozen=True)
class Trainer:
    """One training of one or several seeds: the method, as it is trained and as it is validated, its protocol, the
    episodes of two splits (never the test's; `train` has a stream for each seed), and the folder where each seed
    writes."""

    method: Method
    tested: Method
    protocol: Protocol
    execution: Execution
    validation: Execution
    train: Sequence[Source]
    valid: Source
    folders: Sequence[Path]
    saved: Callable[[int], None] = lambda iteration: None  # told of every checkpoint

    def prepare(self, initial: Sequence[State]) -> tuple[Progress, MetaStep]:
        """Where training goes on, from the folders' checkpoints if there are some, with everything compiled.

        Raises whatever a compiler or a driver throws where the execution cannot run here."""
        progress = self._resumed(initial)
        step = MetaStep(self.execution, self.method, self._feed, progress.state, progress.optimiser, progress.loss_sum)
        if progress.iteration < self.protocol.training.iterations:
            step.rehearse(self._feed.at(progress.iteration))
            if self.validation.compiled:
                setting = self.tested.candidates()[0]
                evaluate.scores(self.validation, self.tested, progress.of(0), self.valid, 1, setting)
        return progress, step

    def run(self, prepared: tuple[Progress, MetaStep], watch: Watch) -> Progress:
        """Trains to the protocol's last iteration, or until every seed has diverged.

        Raises Interrupted, with a checkpoint written, when `watch.stop` says so."""
        progress, step = prepared
        saved = progress.clock = time.monotonic()
        while progress.iteration < self.protocol.training.iterations and not progress.diverged:
            step(self._feed.at(progress.iteration))
            progress.iteration += 1
            valid = self._row(progress, watch) if progress.iteration in self._rows else None
            watch.step(
                progress.iteration,
                _mean(track.rows[-1]["train_loss"] for track in progress.tracks if track.rows),
                valid,
            )
            if progress.iteration in watch.keep:
                for place, folder in enumerate(self.folders):
                    checkpoints.save_state(kept(folder, progress.iteration), progress.of(place))
            stopping = watch.stop()
            if stopping or time.monotonic() - saved > watch.every_seconds:
                self._save(progress)
                saved = time.monotonic()
            if stopping:
                raise Interrupted(f"at iteration {progress.iteration}")
        if len(self.folders) > 1:  # a seed that is left behind while others get their records must not go on alone
            self._save(progress)
        return progress

    @cached_property
    def _feed(self) -> Feed:
        return Feed(self.method.training_batch or "episodes", self.protocol.training, self.train)

    @cached_property
    def _rows(self) -> frozenset[int]:
        """Iterations that end a row of the curve."""
        every = max(1, self.protocol.training.iterations // _CURVE_ROWS)
        last = self.protocol.training.iterations
        return frozenset(range(every, last + 1, every)) | self._validations | {last}

    @cached_property
    def _validations(self) -> frozenset[int]:
        training = self.protocol.training
        return frozenset(
            max(1, round(k * training.iterations / training.validations)) for k in range(1, training.validations + 1)
        )

    def _row(self, progress: Progress, watch: Watch) -> float | None:
        """Ends a row of each seed's curve, with a validation where one is due; the mean score is returned."""
        losses = (progress.loss_sum / (progress.iteration - progress.row_start)).tolist()
        progress.loss_sum.zero_()
        progress.row_start = progress.iteration
        progress.spend("training")
        choices = [self._end_row(progress, place, loss) for place, loss in enumerate(losses)]
        if watch.row is not None:
            self._tell(progress, choices, watch.row)
        return _mean(choice and choice.score for choice in choices)

    def _tell(self, progress: Progress, choices: Sequence[Choice | None], row: Callable[[Row], None]) -> None:
        """Tells of the rows that end here: a seed that diverged before has none."""
        norms = _gradient_norms(progress.state)
        for folder, track, choice, norm in zip(self.folders, progress.tracks, choices, norms, strict=True):
            ended = track.rows[-1] if track.rows else {"iteration": 0}
            if ended["iteration"] == progress.iteration:
                by_step = choice.by_step if choice is not None else ()
                row(Row(folder, progress.iteration, ended["train_loss"], ended["valid_score"], by_step, norm))

    def _end_row(self, progress: Progress, place: int, loss: float) -> Choice | None:
        track, state = progress.tracks[place], progress.of(place)
        if track.diverged_at is not None:
            return None
        if not (math.isfinite(loss) and all(bool(p.isfinite().all()) for p in state.params.values())):
            track.diverged_at = progress.iteration
        due = progress.iteration in self._validations and track.diverged_at is None
        choice = self._validate(progress, track, state) if due else None
        track.rows.append(
            {
                "iteration": progress.iteration,
                "train_loss": loss if math.isfinite(loss) else None,
                "valid_score": choice and choice.score,
                "seconds": progress.seconds["training"],
            }
        )
        return choice

    def _validate(self, progress: Progress, track: Track, state: State) -> Choice:
        episodes, choosing = self.protocol.training.validation_episodes, self.protocol.evaluation.finetune_episodes
        choice = evaluate.choose(self.validation, self.tested, state, self.valid, episodes, choosing)
        if self.valid.benchmark.measure.better(choice.score, track.best_score):  # the first of equals stays
            track.best, track.best_score, track.best_iteration = _copied(state), choice.score, progress.iteration
        progress.spend("validation")
        return choice

    def _fresh(self, initial: Sequence[State]) -> Progress:
        device = self.execution.device
        state = State(
            *(
                {name: torch.stack([part[name] for part in parts]).to(device) for name in parts[0]}
                for parts in zip(*initial, strict=True)
            )
        )
        capturable = self.execution.graph
        optimiser = torch.optim.Adam(state.params.values(), lr=self.protocol.training.meta_lr, capturable=capturable)
        progress = Progress(state, optimiser, torch.zeros(len(initial), device=device), [])
        progress.tracks = [
            Track(_copied(progress.of(place)), self.valid.benchmark.measure.worst) for place in range(len(initial))
        ]
        return progress

    def _save(self, progress: Progress) -> None:
        """All seeds' checkpoints, each under a name for the next one first, so that whenever this is cut off there is
        an iteration of which every seed has one."""
        progress.loss_sum.tolist()  # waits for the device
        progress.spend("training")
        for place, folder in enumerate(self.folders):
            checkpoints.save(folder / records.NEXT_CHECKPOINT, *_as_saved(progress, place))
        for folder in self.folders:
            with disk.writing(folder / records.CHECKPOINT):
                disk.replace(folder / records.NEXT_CHECKPOINT, folder / records.CHECKPOINT)
        self.saved(progress.iteration)

    def _resumed(self, initial: Sequence[State]) -> Progress:
        progress = self._fresh(initial)
        try:
            found = [_checkpoints(folder, self.execution.device) for folder in self.folders]
            common = frozenset.intersection(*(frozenset(checkpoint) for checkpoint in found))
            if common:
                saved = [checkpoint[max(common)] for checkpoint in found]
                for _, about in saved:
                    _check_about(about, self.protocol.training.iterations)
                _restore(progress, saved)
        except (LookupError, ValueError, RuntimeError, TypeError, AttributeError) as error:
            path = self.folders[0] / records.CHECKPOINT
            raise UserError(f"{path} is no checkpoint of this run; `--force` trains it again") from error
        return progress


_SHARED = ("iteration", "row_start", "seconds")
_OF_SEED = ("diverged_at", "best_score", "best_iteration", "rows")
Saved = tuple[dict[str, Tensor], dict[str, Any]]  # a checkpoint: tensors, and what there is to say


def curve(track: Track) -> pd.DataFrame:
    """The learning curve: iteration, train_loss (mean since the row before), valid_score or NaN, seconds."""
    columns = {"iteration": "int64", "train_loss": "float64", "valid_score": "float64", "seconds": "float64"}
    return pd.DataFrame(track.rows, columns=list(columns)).astype(columns)


def kept(folder: Path, iteration: int) -> Path:
    """Where the weights of a named iteration are kept."""
    return folder / f"weights@{iteration}.safetensors"


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _gradient_norms(state: State) -> list[float]:
    """[seeds]: the Euclidean norm over all parameters."""
    squares = [parameter.grad.flatten(1).square().sum(1) for parameter in state.params.values()]
    return torch.stack(squares).sum(0).sqrt().tolist()


def _copied(state: State) -> State:
    return State(*({name: tensor.clone() for name, tensor in part.items()} for part in state))


def _as_saved(progress: Progress, place: int) -> Saved:
    """One seed's checkpoint."""
    track = progress.tracks[place]
    tensors = checkpoints.flat(progress.of(place), "now.") | checkpoints.flat(track.best, "best.")
    for index, moments in progress.optimiser.state_dict()["state"].items():
        for name, value in moments.items():
            tensors[f"adam.{index}.{name}"] = value if value.dim() == 0 else value[place]
    about = {name: getattr(progress, name) for name in _SHARED} | {name: getattr(track, name) for name in _OF_SEED}
    about["best_score"] = track.best_score if math.isfinite(track.best_score) else None
    return tensors | {"loss_sum": progress.loss_sum[place]}, about


def _checkpoints(folder: Path, device: torch.device) -> dict[int, Saved]:
    """Iteration -> checkpoint; normally one, two where a save was cut off."""
    paths = [path for name in (records.CHECKPOINT, records.NEXT_CHECKPOINT) if (path := folder / name).exists()]
    found = [checkpoints.load(path, device) for path in paths]
    return {about.get("iteration", -1): (tensors, about) for tensors, about in found}


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
    now = checkpoints.unflat(tensors, "now.")
    for ours, theirs in zip(progress.state, now, strict=True):
        for name, tensor in ours.items():
            _check_like(tensor, theirs[name])
            tensor.copy_(theirs[name])
    progress.loss_sum.copy_(tensors["loss_sum"])
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("adam."):
            _, index, name = key.split(".")
            moments.setdefault(int(index), {})[name] = value[0] if name == "step" else value
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
        track.best = checkpoints.unflat(own, "best.")
        for ours, theirs in zip(progress.of(0), track.best, strict=True):
            for name, tensor in ours.items():
                _check_like(tensor, theirs[name])
        curve(track)  # raises where its rows are none
