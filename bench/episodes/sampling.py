"""Bounded draws from the raw bits of NumPy's Philox generator, keyed by a hash of the stream's name.

NumPy promises only the raw stream to stay the same between versions, so bounded numbers are drawn from it here. The
generator's counter is the episode's index, and there is no state: any episode can be drawn at any time, in any
process."""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np


def raw(name: str, first: int, count: int, size: int) -> np.ndarray:
    """uint64 [count, size]: the first `size` raw values at the positions `first` and following of the stream with this
    name.

    Positions are 2**64 counter values apart; advancing takes a third of the time of creating a new generator."""
    generator = np.random.Philox(key=_key(name), counter=[0, first, 0, 0])
    drawn, to_the_next = np.empty((count, size), dtype=np.uint64), 2**64 - (size + 3) // 4
    for row in drawn:
        row[:] = generator.random_raw(size)
        generator.advance(to_the_next)
    return drawn


@cache
def _key(name: str) -> np.ndarray:
    return np.frombuffer(hashlib.sha256(name.encode()).digest()[:16], dtype="<u8").astype(np.uint64)


def distinct(raw: np.ndarray, size: int | np.ndarray) -> np.ndarray:
    """int64 [..., places]: the first elements of a Fisher-Yates shuffle of `range(size)`, one shuffle for each row
    [...] of raw values, without building it. `others` are the positions that were swapped with 0, 1, ..., and `values`
    what was put there."""
    others = [place + bounded_integers(raw[..., place], size - place) for place in range(raw.shape[-1])]
    values: list[np.ndarray] = []

    def at(position: np.ndarray) -> np.ndarray:
        found = position
        for other, value in zip(others, values, strict=False):  # later swaps overwrite earlier ones
            found = np.where(other == position, value, found)
        return found

    picks = []
    for place, other in enumerate(others):
        picks.append(at(other))
        values.append(at(np.full_like(other, place)))
    return np.stack(picks, axis=-1)


def bounded_integers(raw: np.ndarray, size: int | np.ndarray) -> np.ndarray:
    """int64, uniform in [0, size) from 64 raw bits, for sizes below 2**32: the upper half of a 128-bit product,
    computed in two steps of 32 bits. The bias is below size / 2**64."""
    size, half = np.asarray(size, dtype=np.uint64), np.uint64(32)
    lower = (raw & np.uint64(2**32 - 1)) * size >> half
    return ((raw >> half) * size + lower >> half).astype(np.int64)


def bounded_array(raw: np.ndarray, size: int) -> np.ndarray:
    """int64, uniform in [0, size) for sizes below 2**32, from the upper 32 bits; the bias is below size / 2**32."""
    return ((raw >> np.uint64(32)) * np.uint64(size) >> np.uint64(32)).astype(np.int64)


def passes(raw: np.ndarray, steps: int, size: int) -> np.ndarray:
    """int64 [episodes, steps, size]: minibatches without replacement, continuing from pass to pass (Nichol et al. 2018,
    code: `_mini_batches`). `raw` is [episodes, passes, images]: each pass goes through all images in its own order."""
    order = raw.argsort(-1, kind="stable").reshape(len(raw), -1)
    return order[:, : steps * size].reshape(-1, steps, size)
