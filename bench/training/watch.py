"""Events of a training or an evaluation, listeners for them, and requests to stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Said:
    """A message for the user."""

    line: str


@dataclass(frozen=True)
class Step:
    """A meta-step was made: training loss and validation score, as means over the seeds (None if there is no new
    one)."""

    iteration: int
    loss: float | None
    valid: float | None


@dataclass(frozen=True)
class Scored:
    """How many episodes of a validation or a test have been scored, out of how many."""

    split: str
    done: int
    count: int


@dataclass(frozen=True)
class CurvePoint:
    """A row of one seed's learning curve, with the validation score after each inner step (empty if no validation was
    due), and the norm of the last gradient as the optimiser received it, after clipping."""

    folder: Path
    iteration: int
    train_loss: float | None
    valid_score: float | None
    by_step: tuple[float, ...]
    gradient_norm: float


Event = Said | Step | Scored | CurvePoint
Listener = Callable[[Event], None]
Stop = Callable[[], bool]  # called after every iteration and before every further evaluation


def ignore(event: Event) -> None:
    """A listener that does nothing."""


class Interrupted(Exception):
    """A run was asked to stop, and can be resumed; the argument says where it stopped."""


@dataclass(frozen=True)
class Watch:
    """How the caller watches a training: `on_event` receives every event; `every_seconds`: time between checkpoints;
    `keep`: iterations whose weights are kept."""

    on_event: Listener
    stop: Stop
    every_seconds: float = 30.0
    keep: tuple[int, ...] = ()
