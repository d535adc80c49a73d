"""Finds the first difference between two results, and the largest one. Equal means equal bits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

_CURVE = ["iteration", "train_loss", "valid_score"]  # without `seconds`
Named = Callable[..., str]  # describes a position in an array


@dataclass(frozen=True)
class Difference:
    """`first`: where the first difference is, with both values; `most`: the largest absolute difference, infinite if
    shapes differ or a value is NaN."""

    first: str
    most: float


def of_scores(recorded: np.ndarray, found: np.ndarray, first: int = 0) -> Difference | None:
    """The first difference between two arrays [episodes, inner steps from `first`]: by episode, then by inner step."""
    return _of_arrays("scores", recorded, found, lambda episode, k: f"episode {episode}, inner step {first + k}")


def of_tensors(recorded: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray]) -> Difference | None:
    """The first difference between two sets of weights: by tensor, in the order of their names, then by element."""
    if unlike := recorded.keys() ^ found.keys():
        return Difference(f"tensor {min(unlike)} is in only one of them", math.inf)
    each = [
        _of_arrays(name, recorded[name], found[name], lambda *place, name=name: f"tensor {name} {list(place)}")
        for name in sorted(recorded)
    ]
    unequal = [difference for difference in each if difference is not None]
    return Difference(unequal[0].first, max(difference.most for difference in unequal)) if unequal else None


def of_curves(recorded: pd.DataFrame, found: pd.DataFrame) -> Difference | None:
    """The first difference between two learning curves, except in time: by row, then by column."""
    ours, theirs = (frame.reindex(columns=_CURVE).to_numpy(np.float64) for frame in (recorded, found))

    def named(row: int, column: int) -> str:
        return f"row {row} (iteration {ours[row, 0]:.0f}), {_CURVE[column]}"

    return _of_arrays("curve", ours, theirs, named)


def _of_arrays(what: str, recorded: np.ndarray, found: np.ndarray, named: Named) -> Difference | None:
    if (recorded.shape, recorded.dtype) != (found.shape, found.dtype):
        return Difference(f"{what}: {_shape(recorded)} recorded, {_shape(found)} here", math.inf)
    unlike = np.argwhere(_bits(recorded) != _bits(found))
    if not len(unlike):
        return None
    first, everywhere = tuple(unlike[0].tolist()), tuple(unlike.T)
    apart = np.abs(recorded[everywhere].astype(np.float64) - found[everywhere].astype(np.float64))
    most = math.inf if np.isnan(apart).any() else float(apart.max())
    one, other = _told_apart(recorded[first], found[first])
    return Difference(f"{named(*first)}: {one} recorded, {other} here", most)


def _told_apart(one: np.generic, other: np.generic) -> tuple[str, str]:
    """Two different values with as few digits as distinguish them; 17 digits always do."""
    digits = next((n for n in range(9, 17) if f"{one:.{n}g}" != f"{other:.{n}g}"), 17)
    return f"{one:.{digits}g}", f"{other:.{digits}g}"


def _bits(array: np.ndarray) -> np.ndarray:
    """The bits as integers; all NaN are equal, and 0 differs from -0."""
    if array.dtype.kind == "f":
        array = np.where(np.isnan(array), np.array(np.nan, array.dtype), array)
    return np.ascontiguousarray(array).reshape(array.shape).view(f"u{array.dtype.itemsize}")


def _shape(array: np.ndarray) -> str:
    return f"{array.dtype} {list(array.shape)}"
