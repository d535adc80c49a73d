"""What a training tells while it runs, and how it is asked to stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol as Protocol_

Told = Callable[[str, int, int], None]  # of which split, how many episodes are scored, and of how many


def nobody(split: str, done: int, count: int) -> None:
    """Is told in vain."""


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
    told what a user should know; `row`, where there is one, of every row of the curves; `scored` how far a validation
    or a test has come."""

    step: Callable[[int, float | None, float | None], None]
    stop: Stop
    every_seconds: float = 30.0
    keep: tuple[int, ...] = ()
    say: Callable[[str], None] = print
    row: Callable[[Row], None] | None = None
    scored: Told = nobody
