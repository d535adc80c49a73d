"""Method A minus method B on their common seeds and episodes: the interval, its p-value, and Holm's correction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr

from bench.analysis.statistics import FEWEST_SEEDS, Estimate, Values, over_both, over_episodes


class Paired(NamedTuple):
    """Method A minus method B. `kind`: what the interval covers; `p_value`: from t with the seeds' degrees of freedom,
    which may be fewer than the interval's; NaN with fewer than three common seeds."""

    difference: Estimate
    p_value: float
    kind: str


def paired_difference(a: np.ndarray, b: np.ndarray) -> Paired:
    """A - B, both [common seeds, common episodes] in the same order: the headline interval and its two-sided p-value.
    With fewer than three common seeds: the interval over episodes only, for these models, and no p-value."""
    scores = a - b
    if scores.shape[0] < FEWEST_SEEDS:
        return Paired(over_episodes(scores), float("nan"), "for these models")
    difference = over_both(scores)
    return Paired(difference, float(p_value(difference, scores.shape[0])), "both")


def p_value(difference: Estimate, seeds: int) -> Values:
    """The two-sided p-value of t with seeds - 1 degrees of freedom, [...].

    The interval uses Satterthwaite's estimated degrees of freedom. They are accurate enough at 95 %, but far too many
    in the tail that a correction for multiple comparisons depends on. Simulated with 12 true null hypotheses and Holm
    at 5 %, at least one is rejected in up to 21 % of tables with 3 seeds and 11 % with 5 by Satterthwaite's degrees of
    freedom, and in 0.5 % and 4 % by seeds - 1 (tests/analysis/test_p_values.py)."""
    value, se = np.asarray(difference.value), np.asarray(difference.se)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = 2 * stdtr(seeds - 1, -np.abs(value / se))
    return np.where(value == 0, 1.0, found)  # equal methods, even if nothing varies


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction, in the order given: p_(i) -> max over j <= i of (m - j + 1) p_(j), at most 1."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return corrected.tolist()
