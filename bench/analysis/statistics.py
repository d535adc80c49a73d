"""From scores to estimates, intervals and verdicts: pure functions of a score matrix, independent of its unit unless
one is named.

A matrix of scores is [seeds, episodes]: the score of the model of one training seed on one test episode. All models are
tested on the same episodes, so seeds and episodes are crossed. Every formula is in the project's statistics.md; the
closed forms also accept leading dimensions, [..., seeds, episodes], and then return arrays. What a matrix cannot
determine (the spread between seeds, from one seed) is NaN, never 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.special import stdtrit

Values = Any  # np.ndarray, or a float if there are no leading dimensions

LEVEL = 0.95
FEWEST_SEEDS = 3  # fewer say too little about the spread between seeds for a verdict or a p-value
_DOUBLINGS = 30  # of the number of seeds: a billion times as many
CLAIM_Z = 1.96  # published half-widths are 1.96 standard errors (Finn et al. 2017, Table 1 and code)


@dataclass(frozen=True)
class Estimate:
    """A value, its standard error and degrees of freedom, each [...]: the interval is value +- t(df) se."""

    value: Values
    se: Values
    df: Values

    def half_width(self, level: float = LEVEL) -> Values:
        """t(df) se, [...]."""
        return stdtrit(self.df, (1 + level) / 2) * self.se

    def interval(self, level: float = LEVEL) -> tuple[Values, Values]:
        """The two ends, each [...]."""
        return self.value - self.half_width(level), self.value + self.half_width(level)


class MeanSquares(NamedTuple):
    """The two-way mean squares MS_s, MS_e and MS_r, each [...]."""

    seeds: Values
    episodes: Values
    rest: Values


def mean_squares(scores: np.ndarray) -> MeanSquares:
    """[..., seeds, episodes] -> MS_s, MS_e, MS_r; NaN if a factor has only one level."""
    seeds, episodes = scores.shape[-2:]
    grand = scores.mean((-2, -1), keepdims=True)
    of_seeds = scores.mean(-1, keepdims=True) - grand
    of_episodes = scores.mean(-2, keepdims=True) - grand
    rest = scores - grand - of_seeds - of_episodes
    return MeanSquares(
        _over(episodes * (of_seeds**2).sum((-2, -1)), seeds - 1),
        _over(seeds * (of_episodes**2).sum((-2, -1)), episodes - 1),
        _over((rest**2).sum((-2, -1)), (seeds - 1) * (episodes - 1)),
    )


def per_seed(scores: np.ndarray) -> Estimate:
    """The mean over episodes of each model alone, as papers report one: x_s +- t(E-1) sd / sqrt(E). Each [...,
    seeds]."""
    return _of_sample(scores)


def over_episodes(scores: np.ndarray) -> Estimate:
    """The mean for these models on other episodes, from the episode means x_e, so that n = E and never S x E."""
    return _of_sample(scores.mean(-2))


def over_seeds(scores: np.ndarray) -> Estimate:
    """The mean for other trainings on these episodes: x +- t(S-1) sd(x_s) / sqrt(S)."""
    return _of_sample(scores.mean(-1))


def over_both(scores: np.ndarray) -> Estimate:
    """The headline estimate: other trainings, other episodes.

    se^2 = max(MS_s, MS_e, MS_s + MS_e - MS_r) / (S E), with Satterthwaite's degrees of freedom, at least S - 1."""
    return of_mean_squares(scores.mean((-2, -1)), mean_squares(scores), *scores.shape[-2:])


def of_mean_squares(value: Values, ms: MeanSquares, seeds: int, episodes: int) -> Estimate:
    """The headline estimate, from the mean and the mean squares of this many seeds and episodes. Each [...]."""
    total = _variance_total(ms)
    terms = ((ms.seeds, seeds - 1), (ms.episodes, episodes - 1), (ms.rest, (seeds - 1) * (episodes - 1)))
    return Estimate(value, np.sqrt(total / (seeds * episodes)), _satterthwaite(total, terms, seeds - 1))


def difference_from_claim(
    scores: np.ndarray, accuracy: Values, half_width: float, episodes: int, one_model: bool = True
) -> Estimate:
    """D = x - c for a claim c +- h about one model on n_c episodes, all in one unit.

    V = se^2 + s2_model + (h/1.96)^2, where s2_model = max(0, (MS_s - MS_r) / E) is the variance of one more model.
    Without `one_model` the claim is a mean over trainings: h includes their spread, and n_c is their number."""
    n_seeds, n_episodes = scores.shape[-2:]
    error = error_of_difference(mean_squares(scores), n_seeds, n_episodes, half_width, episodes, one_model)
    return Estimate(scores.mean((-2, -1)) - accuracy, *error)


def error_of_difference(
    ms: MeanSquares, n_seeds: int, n_episodes: int, half_width: float, episodes: int, one_model: bool = True
) -> tuple[Values, Values]:
    """sqrt(V) of `difference_from_claim` and its degrees of freedom, from the mean squares of this many seeds and
    episodes."""
    n = n_seeds * n_episodes
    of_claim = (half_width / CLAIM_Z) ** 2
    variance = _variance_total(ms) / n + one_model * _model_variance(ms, n_episodes) + of_claim
    k = 1 / n + one_model / n_episodes
    terms = (
        (k * ms.seeds, n_seeds - 1),
        (ms.episodes / n, n_episodes - 1),
        (k * ms.rest, (n_seeds - 1) * (n_episodes - 1)),
        (of_claim, episodes - 1),
    )
    return np.sqrt(variance), _satterthwaite(variance, terms, min(n_seeds, episodes) - 1)


def difference_of_same_weights(scores: np.ndarray, accuracy: Values, half_width: float, episodes: int) -> Estimate:
    """D = x - c if the claim's own weights are scored again, [..., episodes]: V = sd^2/E + (h/1.96)^2, without
    seeds."""
    n, variance = scores.shape[-1], scores.var(-1, ddof=1)
    return Estimate(scores.mean(-1) - accuracy, *error_of_same_weights(variance, n, half_width, episodes))


def error_of_same_weights(variance: Values, n_episodes: int, half_width: float, episodes: int) -> tuple[Values, Values]:
    """sqrt(V) of `difference_of_same_weights` and its degrees of freedom; `variance`: sd^2 of one episode's score."""
    terms = ((variance / n_episodes, n_episodes - 1), ((half_width / CLAIM_Z) ** 2, episodes - 1))
    total = terms[0][0] + terms[1][0]
    return np.sqrt(total), _satterthwaite(total, terms, 1)


def verdict(difference: Estimate, margin: float) -> np.ndarray:
    """`agrees` (two one-sided 5 % tests within +-margin), else `differs` (95 % excludes 0), or `inconclusive`. [...]"""
    low90, high90 = difference.interval(0.90)
    low95, high95 = difference.interval(0.95)
    agrees = (-margin < low90) & (high90 < margin)
    differs = (low95 > 0) | (high95 < 0)
    return np.select([agrees, differs], ["agrees", "differs"], "inconclusive")


def smallest_half_width(
    scores: np.ndarray, half_width: float, episodes: int, one_model: bool = True, level: float = 0.90
) -> Values:
    """The smallest half-width of D on these episodes with as many seeds as these or more, if the components of `scores`
    stay as they are; the default level is the one of `agrees`. Usually it is the limit of many seeds, which is nearly
    the last one tried. Against a claim about few trainings it may not be: what remains in the limit has few degrees of
    freedom."""
    n_seeds, n_episodes = scores.shape[-2:]
    ms = mean_squares(scores)
    seed, episode = (np.maximum(0, each - ms.rest) / n for each, n in ((ms.seeds, 1), (ms.episodes, n_seeds)))

    def half(squares: MeanSquares, seeds: int) -> Values:
        error = error_of_difference(squares, seeds, n_episodes, half_width, episodes, one_model)
        return Estimate(0.0, *error).half_width(level)

    more = [n_seeds * 2**k for k in range(1, _DOUBLINGS + 1)]
    expected = [half(MeanSquares(seed + ms.rest, n * episode + ms.rest, ms.rest), n) for n in more]
    return np.minimum.reduce([half(ms, n_seeds), *expected])


def smallest_half_width_of_same_weights(half_width: float, episodes: int, level: float = 0.90) -> float:
    """`smallest_half_width` if the claim's own weights are scored again, on any number of episodes: (h/1.96)^2
    remains."""
    return float(Estimate(0.0, half_width / CLAIM_Z, episodes - 1).half_width(level))


def _of_sample(values: np.ndarray) -> Estimate:
    """The mean over the last axis, with the t interval for independent values; NaN for a single value."""
    n = values.shape[-1]
    se = values.std(-1, ddof=1) / np.sqrt(n) if n > 1 else np.full(values.shape[:-1], np.nan)
    return Estimate(values.mean(-1), se, n - 1)


def _variance_total(ms: MeanSquares) -> Values:
    return np.maximum(np.maximum(ms.seeds, ms.episodes), ms.seeds + ms.episodes - ms.rest)


def _model_variance(ms: MeanSquares, episodes: int) -> Values:
    return np.maximum(0, (ms.seeds - ms.rest) / episodes)


def _satterthwaite(total: Values, terms: Sequence[tuple[Values, int]], least: int) -> Values:
    """total^2 / sum(term^2 / df), but at least `least`, also if nothing varies."""
    spread = sum(_over(np.square(term), df) for term, df in terms)
    ratio = np.divide(np.square(total), spread, out=np.zeros_like(spread), where=spread != 0)
    return np.maximum(least, ratio)


def _over(total: Values, df: int) -> Values:
    return np.asarray(total) / df if df > 0 else np.full_like(total, np.nan)
