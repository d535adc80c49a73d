"""Collapsed trainings: their models give the same answer to everything, and score the same in every test episode."""

from __future__ import annotations

import numpy as np

from bench.protocols.measures import Measure

ADVICE = "lower inner_lr or meta_lr (docs/troubleshooting.md)"


def collapsed(scores: np.ndarray, measure: Measure) -> bool:
    """Whether all scores [episodes] are equal and below the maximum: counts of right answers normally vary."""
    return measure.counted and len(scores) > 1 and bool(np.all(scores == scores[0]) and scores[0] < measure.bounds[1])


def collapse_text(scores: np.ndarray, measure: Measure) -> str:
    """A collapse, in words."""
    return f"collapsed: every test episode scored exactly {measure.written(scores[0])}, one answer to everything"
