"""The outer loop: meta-steps, validation as it goes, checkpoints that an interrupted run resumes from bit by bit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from typing import Protocol as Protocol_

import pandas as pd
import torch
from torch import Tensor

from bench import checkpoints, evaluate, records
from bench.batches import Source
from bench.errors import UserError
from bench.execution import Execution
from bench.protocol import Protocol
from methods.contract import Method, State

_CURVE_ROWS = 200


class Interrupted(Exception):
    """Training was asked to stop; its checkpoint is written. The argument is the iteration it reached."""


class Stop(Protocol_):
    """Asked after every iteration whether to stop; entered around a training, so that a signal waits for that."""

    def __call__(self) -> bool: ...
    def __enter__(self) -> object: ...
    def __exit__(self, *_: object) -> None: ...


@dataclass(frozen=True)
class Watch:
    """What the caller wants of a training: `step` is told (iteration, loss or None, validation score or None);
    `every_seconds` lie between checkpoints; `keep` names iterations whose weights are kept."""

    step: Callable[[int, float | None, float | None], None]
    stop: Stop
    every_seconds: float = 30.0
    keep: tuple[int, ...] = ()


@dataclass
class Progress:
    """Everything that a training carries from one iteration to the next."""

    state: State
    optimiser: torch.optim.Adam
    best: State
    loss_sum: Tensor
    iteration: int = 0
    row_start: int = 0
    diverged_at: int | None = None
    best_score: float = -math.inf
    best_iteration: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=lambda: {"training": 0.0, "validation": 0.0})
    clock: float = 0.0

    def spend(self, what: str) -> None:
        """Books the time since it was last booked; called where the device has nothing left to do."""
        now = time.monotonic()
        self.seconds[what] += now - self.clock
        self.clock = now


@dataclass(frozen=True)
class Trainer:
    """One training: the method and its protocol, the episodes of two splits (never the test's), and where it writes."""

    method: Method
    protocol: Protocol
    execution: Execution
    train: Source
    valid: Source
    folder: Path
    saved: Callable[[int], None] = lambda iteration: None  # told of every checkpoint

    def run(self, initial: State, watch: Watch) -> Progress:
        """Trains to the protocol's last iteration, or to divergence, from the folder's checkpoint if there is one.

        Raises Interrupted, with a checkpoint written, when `watch.stop` says so."""
        progress = self._resumed(initial)
        saved = progress.clock = time.monotonic()
        while progress.iteration < self.protocol.training.iterations and progress.diverged_at is None:
            self._iterate(progress)
            valid = self._row(progress) if progress.iteration in self._rows else None
            watch.step(progress.iteration, progress.rows[-1]["train_loss"] if progress.rows else None, valid)
            if progress.iteration in watch.keep:
                checkpoints.save_state(kept(self.folder, progress.iteration), progress.state)
            stopping = watch.stop()
            if stopping or time.monotonic() - saved > watch.every_seconds:
                self._save(progress)
                saved = time.monotonic()
            if stopping:
                raise Interrupted(progress.iteration)
        return progress

    def _iterate(self, progress: Progress) -> None:
        loss = torch.zeros((), device=self.execution.device)
        batches = self._batches(progress.iteration)
        for batch in batches:
            value, gradient, carried = self.execution.loss_and_gradient(self.method, progress.state, batch)
            _step(progress.optimiser, progress.state, gradient, self.protocol.training.clip)
            progress.state = State(progress.state.params, carried)
            loss += value.detach() / len(batches)
        progress.loss_sum += loss
        progress.iteration += 1

    def _batches(self, iteration: int) -> list[Any]:
        """What iteration `iteration`, counted from 0, is fed with: one batch an optimiser step."""
        training = self.protocol.training
        if self.method.training_batch == "images" and training.image_batch is not None:
            return [self.train.random_images(iteration, training.image_batch)]
        size = 1 if training.meta_update == "episode" else training.meta_batch
        draw = self.train.images if self.method.training_batch == "images" else self.train.episodes
        firsts = range(iteration * training.meta_batch, (iteration + 1) * training.meta_batch, size)
        return [draw(first, size) for first in firsts]

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

    def _row(self, progress: Progress) -> float | None:
        """Ends a row of the curve, with a validation where one is due; its score is returned."""
        loss = float(progress.loss_sum) / (progress.iteration - progress.row_start)
        progress.loss_sum = torch.zeros_like(progress.loss_sum)
        progress.row_start = progress.iteration
        progress.spend("training")
        if not (math.isfinite(loss) and all(bool(p.isfinite().all()) for p in progress.state.params.values())):
            progress.diverged_at = progress.iteration
        due = progress.iteration in self._validations and progress.diverged_at is None
        score = self._validate(progress) if due else None
        progress.rows.append(
            {
                "iteration": progress.iteration,
                "train_loss": loss if math.isfinite(loss) else None,
                "valid_score": score,
                "seconds": progress.seconds["training"],
            }
        )
        return score

    def _validate(self, progress: Progress) -> float:
        episodes, choosing = self.protocol.training.validation_episodes, self.protocol.evaluation.finetune_episodes
        score = evaluate.choose(self.execution, self.method, progress.state, self.valid, episodes, choosing).score
        if score > progress.best_score:  # the first of equals stays
            progress.best, progress.best_score, progress.best_iteration = (
                _copied(progress.state),
                score,
                progress.iteration,
            )
        progress.spend("validation")
        return score

    def _fresh(self, initial: State) -> Progress:
        device = self.execution.device
        state = State(*({name: tensor.clone().to(device) for name, tensor in part.items()} for part in initial))
        optimiser = torch.optim.Adam(state.params.values(), lr=self.protocol.training.meta_lr)
        return Progress(state, optimiser, _copied(state), torch.zeros((), dtype=torch.float32, device=device))

    def _save(self, progress: Progress) -> None:
        progress.loss_sum.item()  # waits for the device
        progress.spend("training")
        moments = progress.optimiser.state_dict()["state"]
        tensors = checkpoints.flat(progress.state, "now.") | checkpoints.flat(progress.best, "best.")
        tensors |= {f"adam.{index}.{name}": value for index, kept in moments.items() for name, value in kept.items()}
        about = {name: getattr(progress, name) for name in _PLAIN}
        about["best_score"] = progress.best_score if math.isfinite(progress.best_score) else None
        checkpoints.save(self.folder / records.CHECKPOINT, tensors | {"loss_sum": progress.loss_sum}, about)
        self.saved(progress.iteration)

    def _resumed(self, initial: State) -> Progress:
        progress = self._fresh(initial)
        path = self.folder / records.CHECKPOINT
        if not path.exists():
            return progress
        tensors, about = checkpoints.load(path, self.execution.device)
        try:
            _restore(progress, tensors, about)
        except (KeyError, ValueError, RuntimeError, TypeError) as error:
            raise UserError(f"{path} is no checkpoint of this run; `--force` trains it again") from error
        return progress


_PLAIN = ("iteration", "row_start", "diverged_at", "best_score", "best_iteration", "rows", "seconds")


def curve(progress: Progress) -> pd.DataFrame:
    """The learning curve: iteration, train_loss (mean since the row before), valid_score in [0, 1] or NaN, seconds."""
    columns = {"iteration": "int64", "train_loss": "float64", "valid_score": "float64", "seconds": "float64"}
    return pd.DataFrame(progress.rows, columns=list(columns)).astype(columns)


def kept(folder: Path, iteration: int) -> Path:
    """Where the weights of a named iteration are kept."""
    return folder / f"weights@{iteration}.safetensors"


def _step(optimiser: torch.optim.Adam, state: State, gradient: Mapping[str, Tensor], clip: float | None) -> None:
    for name, parameter in state.params.items():
        value = gradient[name].detach()
        parameter.grad = value if clip is None else value.clamp(-clip, clip)
    optimiser.step()


def _copied(state: State) -> State:
    return State(*({name: tensor.clone() for name, tensor in part.items()} for part in state))


def _restore(progress: Progress, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
    for name in _PLAIN:
        setattr(progress, name, about[name])
    progress.best_score = -math.inf if about["best_score"] is None else about["best_score"]
    now = checkpoints.unflat(tensors, "now.")
    for name, parameter in progress.state.params.items():
        parameter.copy_(now.params[name])
    progress.state = State(progress.state.params, now.carried)
    progress.best = checkpoints.unflat(tensors, "best.")
    progress.loss_sum = tensors["loss_sum"]
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("adam."):
            _, index, name = key.split(".")
            moments.setdefault(int(index), {})[name] = value
    progress.optimiser.load_state_dict(progress.optimiser.state_dict() | {"state": moments})
