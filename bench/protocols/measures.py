"""The measures of a score: name, unit, which direction is better, and bounds. Imports no torch.

The functions that compute loss and score are in `bench.training.objectives`, by the name of the measure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Measure:
    """`bounds`: of a stored score; shown values are `factor` times that, in `unit`; `points`: the unit of differences.
    `counted`: whether the score is a mean of right and wrong answers, so that part of its variance is binomial."""

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
        """The worst possible score."""
        return -math.inf if self.higher_is_better else math.inf

    def better(self, score: float, than: float) -> bool:
        """Whether a score is strictly better; NaN is worse than any number."""
        known, other = (self.worst if math.isnan(value) else value for value in (score, than))
        return known > other if self.higher_is_better else known < other

    def best(self, scores: np.ndarray) -> int:
        """The index of the best of [scores], the first if several are equal; NaN is the worst."""
        known = np.where(np.isnan(scores), self.worst, scores)
        return int(known.argmax() if self.higher_is_better else known.argmin())

    @property
    def label(self) -> str:
        """The name with its unit, such as `accuracy (%)`."""
        said = [self.unit] * bool(self.unit) + ["lower is better"] * (not self.higher_is_better)
        return f"{self.name} ({', '.join(said)})" if said else self.name

    @property
    def shown_bounds(self) -> tuple[float, float]:
        """The bounds of shown values."""
        low, high = self.bounds
        return self.factor * low, self.factor * high

    def near_bound(self, interval: tuple[float, float]) -> bool:
        """Whether an interval of shown values comes within a point (a hundredth of the range) of a bound."""
        low, high = self.shown_bounds
        near = (high - low) / 100 if math.isfinite(high) else 0.0
        return interval[0] <= low + near or interval[1] >= high - near

    @property
    def form(self) -> str:
        """The format specification of shown values."""
        return f".{self.digits}f"

    def written(self, score: float) -> str:
        """A stored score as text with its unit, or with its name if it has none, such as `62.19 %`."""
        return f"{self.factor * score:{self.form}} {self.unit or self.name}"

    def clipped(self, interval: tuple[Any, Any]) -> tuple[float, float]:
        """An interval of shown values, clipped to their bounds; NaN stays NaN."""
        low, high = (float(np.clip(end, *self.shown_bounds)) for end in interval)
        return low, high


ACCURACY = Measure("accuracy", (0.0, 1.0), factor=100.0, unit="%", points="points", higher_is_better=True, counted=True)
SQUARED_ERROR = Measure(
    "mean squared error", (0.0, math.inf), points="mean squared error", digits=4, higher_is_better=False
)
MEASURES = {measure.name: measure for measure in (ACCURACY, SQUARED_ERROR)}
