"""What a score is: its name and unit, which way is better, and between which bounds it lies. Imports no torch.

The functions that compute loss and score are in `bench.training.objectives`, by the name of the measure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Measure:
    """`bounds` are those of a stored score; what is shown is `factor` times that, in `unit`, and `points` is what its
    differences are in. `counted`: a mean of right and wrong answers, so that a part of its variance is binomial."""

    name: str
    bounds: tuple[float, float]
    factor: float = 1.0
    unit: str = ""
    points: str = ""
    digits: int = 2
    higher_is_better: bool = True
    counted: bool = False

    @property
    def worst(self) -> float:
        """What any score is better than."""
        return -math.inf if self.higher_is_better else math.inf

    def better(self, score: float, than: float) -> bool:
        """Whether it is, and not merely as good; what is no number never is, and any number is better than that."""
        known, other = (self.worst if math.isnan(value) else value for value in (score, than))
        return known > other if self.higher_is_better else known < other

    def best(self, scores: np.ndarray) -> int:
        """The place of the best of [scores], the first of equals; what is no number is the worst."""
        known = np.where(np.isnan(scores), self.worst, scores)
        return int(known.argmax() if self.higher_is_better else known.argmin())

    @property
    def label(self) -> str:
        """Such as `accuracy (%)`."""
        said = [self.unit] * bool(self.unit) + ["lower is better"] * (not self.higher_is_better)
        return f"{self.name} ({', '.join(said)})" if said else self.name

    @property
    def shown_bounds(self) -> tuple[float, float]:
        """The bounds of what is shown."""
        low, high = self.bounds
        return self.factor * low, self.factor * high

    def near_bound(self, interval: tuple[float, float]) -> bool:
        """Whether an interval of what is shown comes within a point (a hundredth of the bounds) of one of them."""
        low, high = self.shown_bounds
        near = (high - low) / 100 if math.isfinite(high) else 0.0
        return interval[0] <= low + near or interval[1] >= high - near

    @property
    def form(self) -> str:
        """How a shown value is written, for `format`."""
        return f".{self.digits}f"

    def written(self, score: float) -> str:
        """A stored score with its unit, or with its name where it has none: `62.19 %`."""
        return f"{self.factor * score:{self.form}} {self.unit or self.name}"

    def clipped(self, interval: tuple[Any, Any]) -> tuple[float, float]:
        """An interval of what is shown, inside its bounds; NaN stays."""
        low, high = (float(np.clip(end, *self.shown_bounds)) for end in interval)
        return low, high


ACCURACY = Measure("accuracy", (0.0, 1.0), factor=100.0, unit="%", points="points", higher_is_better=True, counted=True)
SQUARED_ERROR = Measure(
    "mean squared error", (0.0, math.inf), points="mean squared error", digits=4, higher_is_better=False
)
MEASURES = {measure.name: measure for measure in (ACCURACY, SQUARED_ERROR)}
