"""Bootstrap percentiles of a mean, with seeds and episodes resampled independently."""

from __future__ import annotations

import numpy as np

from bench.analysis.statistics import LEVEL, Values


def crossed_bootstrap(
    scores: np.ndarray, generator: np.random.Generator, draws: int = 10_000, level: float = LEVEL
) -> tuple[Values, Values]:
    """Percentiles of the mean, with seeds and episodes resampled independently, each [...]; NaN for one seed. All
    leading dimensions of [..., seeds, episodes] use the same draws."""
    if scores.shape[-2] < 2:
        nothing = np.full(scores.shape[:-2], np.nan)
        return nothing, nothing
    block = 100  # draws at a time: memory stays at 100 x episodes counts
    sizes = [min(block, draws - first) for first in range(0, draws, block)]
    means = np.concatenate([_resampled_means(scores, generator, size) for size in sizes], axis=-1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=-1)
    return low, high


def _resampled_means(scores: np.ndarray, generator: np.random.Generator, draws: int) -> np.ndarray:
    """[..., draws]: the mean of the scores under that many independent draws of seeds and of episodes."""
    seeds, episodes = scores.shape[-2:]
    of_episodes = _counts(generator, draws, episodes) @ scores.swapaxes(-1, -2)
    return (of_episodes * _counts(generator, draws, seeds)).sum(-1) / (seeds * episodes)


def _counts(generator: np.random.Generator, draws: int, n: int) -> np.ndarray:
    """[draws, n]: how often each of n items is drawn in n draws with replacement (bincount takes a tenth of
    multinomial's time)."""
    drawn = generator.integers(n, size=(draws, n)) + n * np.arange(draws)[:, None]
    return np.bincount(drawn.ravel(), minlength=draws * n).reshape(draws, n).astype(float)
