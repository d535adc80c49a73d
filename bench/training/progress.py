"""The state of a training between two iterations, in memory."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from bench.protocols.protocol import Training
from bench.training.execution import Execution
from bench.training.optimiser import outer_optimiser
from methods.contract import State


@dataclass
class SeedProgress:
    """What is kept for one seed, besides its slice of the tensors of all seeds."""

    best: State
    best_score: float
    best_iteration: int = 0
    diverged_at: int | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Progress:
    """Everything that a training carries from one iteration to the next: `state` [seeds, ...], and one track per
    seed."""

    state: State
    optimiser: torch.optim.Optimizer
    loss_sum: Tensor
    tracks: list[SeedProgress]
    iteration: int = 0
    row_start: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: {"training": 0.0, "validation": 0.0})
    clock: float = 0.0

    def of(self, place: int) -> State:
        """The state of one seed, as views."""
        return State(*({name: tensor[place] for name, tensor in part.items()} for part in self.state))

    @property
    def diverged(self) -> bool:
        """Whether all seeds have diverged."""
        return all(track.diverged_at is not None for track in self.tracks)

    def spend(self, what: str) -> None:
        """Adds the time since the last call to `seconds[what]`; call it when the device has finished its work."""
        now = time.monotonic()
        self.seconds[what] += now - self.clock
        self.clock = now


def begin(initial: Sequence[State], execution: Execution, training: Training, worst: float) -> Progress:
    """A training that starts from these states, one per seed. `worst`: the worst possible score."""
    parts, device = zip(*initial, strict=True), execution.device
    state = State(*({name: torch.stack([one[name] for one in part]).to(device) for name in part[0]} for part in parts))
    optimiser = outer_optimiser(state.params.values(), training, execution.graph, execution.on_kernels)
    progress = Progress(state, optimiser, torch.zeros(len(initial), device=device), [])
    progress.tracks = [SeedProgress(copy_state(progress.of(place)), worst) for place in range(len(initial))]
    return progress


def curve(track: SeedProgress) -> pd.DataFrame:
    """The learning curve: iteration, train_loss (mean since the previous row), valid_score or NaN, seconds."""
    columns = {"iteration": "int64", "train_loss": "float64", "valid_score": "float64", "seconds": "float64"}
    return pd.DataFrame(track.rows, columns=list(columns)).astype(columns)


def copy_state(state: State) -> State:
    """A copy of the state, in its own memory."""
    return State(*({name: tensor.clone() for name, tensor in part.items()} for part in state))
