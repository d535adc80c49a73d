"""The 95 % intervals of a matrix of scores, named by what they cover."""

from __future__ import annotations

import math

import numpy as np

from bench.analysis import statistics
from bench.protocols.measures import Measure

Range = tuple[float, float]
NO_INTERVAL: Range = (math.nan, math.nan)


def closed_form(scores: np.ndarray, measure: Measure) -> dict[str, Range]:
    """Name -> interval of scores [seeds, episodes] in the measure's unit, clipped to its bounds; NaN if one seed is not
    enough for it, or if all scores are equal, which is not evidence of precision."""
    found = {
        "both": statistics.over_both(scores),
        "over episodes": statistics.over_episodes(scores),
        "over seeds": statistics.over_seeds(scores),
    }
    ends = {name: measure.clipped(estimate.interval()) for name, estimate in found.items()}
    return ends if np.ptp(scores) else dict.fromkeys(ends, NO_INTERVAL)
