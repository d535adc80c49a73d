"""Reads the function fits that evaluations store, for the figures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.records.contents import Evaluated


@dataclass(frozen=True)
class Fit:
    """One function's `targets` at `inputs` [points], the `support` [shots, 2], and inner step -> `outputs` [points]."""

    inputs: np.ndarray
    targets: np.ndarray
    support: np.ndarray
    outputs: dict[int, np.ndarray]


def fit(evaluated: Evaluated) -> Fit | None:
    """The fit that an evaluation stores, or None. Raises KeyError, TypeError or ValueError if it is malformed."""
    kept = evaluated.info.get("fit")
    if kept is None:
        return None
    inputs, targets, support = (np.asarray(kept[name], dtype=float) for name in ("inputs", "targets", "support"))
    outputs = {int(step): np.asarray(values, dtype=float) for step, values in dict(kept["outputs"]).items()}
    shapes = {part.shape for part in (inputs, targets, *outputs.values())}
    if len(shapes) != 1 or inputs.ndim != 1 or support.shape[1:] != (2,) or not outputs:
        raise ValueError(f"the function fit of evaluation @{evaluated.iteration} is not valid")
    return Fit(inputs, targets, support, outputs)
