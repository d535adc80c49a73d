"""Events of a training or an evaluation, their listeners, and requests to stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Said:
    """Something that a user should know."""

    line: str


@dataclass(frozen=True)
class Step:
    """A meta-step was taken: training loss and validation score (None where none is new), means over the seeds."""

    iteration: int
    loss: float | None
    valid: float | None


@dataclass(frozen=True)
class Scored:
    """How many episodes of a validation or a test are scored, and of how many."""

    split: str
    done: int
    count: int


@dataclass(frozen=True)
class CurvePoint:
    """A row of one seed's curve, and what else is known at its end: the validation score after each inner step (none
    where no validation was due), and the norm of the last gradient as the optimiser got it, clipped."""

    folder: Path
    iteration: int
    train_loss: float | None
    valid_score: float | None
    by_step: tuple[float, ...]
    gradient_norm: float


Event = Said | Step | Scored | CurvePoint
Listener = Callable[[Event], None]
Stop = Callable[[], bool]  # asked after every iteration, and before every further evaluation, whether to stop


def ignore(event: Event) -> None:
    """A listener that does nothing."""


class Interrupted(Exception):
    """A run was asked to stop, and goes on from where it is; the argument says where that is."""


@dataclass(frozen=True)
class Watch:
    """What the caller wants of a training: `on_event` hears of everything that happens; `every_seconds` lie between
    checkpoints; `keep` names iterations whose weights are kept."""

    on_event: Listener
    stop: Stop
    every_seconds: float = 30.0
    keep: tuple[int, ...] = ()
