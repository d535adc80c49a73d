"""The components of an interval, and what would decide a verdict: pure functions, as in `bench.analysis.statistics`.

Scores are in [0, 1], [..., seeds, episodes]; `queries` counts the query images of an episode, all classes together. If
batch norm is transductive, the queries of an episode depend on one another, and the binomial part is an
approximation."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import chdtri

from bench.analysis import statistics
from bench.analysis.statistics import CLAIM_Z, FEWEST_SEEDS, LEVEL, Estimate, MeanSquares, Values

# "seeds" (on these episodes), "episodes" (with these seeds) -> the smallest number that would decide; None: none would
Needed = dict[str, int | None]

_MOST = 10**7  # seeds or episodes: no more are tried


TELLING = (0.2, 0.8)  # accuracies for which the interval of `between_sd` holds at 95 %


class Anatomy(NamedTuple):
    """The variance of an episode's score under one model, [...]: between episodes, and the binomial part of its
    queries, (p(1-p) - between) / Q. Each is at least 0, and together they are the variance. The binomial part is too
    large if the classes of an episode differ in difficulty."""

    between: Values
    binomial: Values


class Components(NamedTuple):
    """Variance components of the crossed design, [...]; NaN if there is one seed. `episodes`: the difficulty that all
    models share; `rest`: what is particular to one model, including the binomial part of its queries."""

    seeds: Values
    episodes: Values
    rest: Values


def of_scores(scores: np.ndarray, queries: int) -> Anatomy:
    """The decomposition of the variance of one model's scores, averaged over seeds, [...]. p(1-p) is computed per seed:
    from the mean over seeds it would include the variance between seeds."""
    means = scores.mean(-1)
    return _split(scores.var(-1, ddof=1).mean(-1), (means * (1 - means)).mean(-1), queries)


def of_claim(accuracy: float, half_width: float, episodes: int, queries: int) -> Anatomy:
    """The decomposition implied by a published accuracy and half-width in [0, 1]: sd = h / 1.96 sqrt(n_c)."""
    return _split((half_width / CLAIM_Z) ** 2 * episodes, accuracy * (1 - accuracy), queries)


def _split(variance: Values, one_query: Values, queries: int) -> Anatomy:
    """Splits a variance of scores; `one_query`: the variance p(1-p) of a single query."""
    if queries < 2:
        nothing = np.full_like(variance, np.nan)  # with one query, the two parts cannot be told apart
        return Anatomy(nothing, nothing)
    # a few episodes can vary more than p(1-p), which no score in [0, 1] does in the long run: all of it is between them
    between = np.clip(_between(variance, one_query, queries), 0, variance)
    return Anatomy(between, variance - between)


def _between(variance: Values, one_query: Values, queries: int) -> Values:
    """(sd^2 - p(1-p)/Q) Q/(Q-1): negative if the scores vary less than Q independent queries must."""
    return (variance - one_query / queries) * queries / (queries - 1)


def between_sd(
    accuracy: float, half_width: float, episodes: int, queries: int, rounding: float = 0.0
) -> tuple[float, float]:
    """The lower and upper bound of the SD between episodes that a published interval implies, if its test had this many
    episodes and queries: a 95 % interval for a variance estimated from that many episodes, with a half-width rounded by
    up to `rounding`. NaN if the scores vary less than the binomial part alone.

    This assumes roughly normal scores. Outside `TELLING` a few bad episodes contribute most of the variance: simulated
    with equally skewed error rates, the interval contains the true SD in about half of the draws at an accuracy of
    98.7 %, and in 89 to 97 % at 80 % (tests/analysis/test_anatomy.py)."""
    df = episodes - 1
    ends = ((half_width - rounding, (1 - LEVEL) / 2), (half_width + rounding, (1 + LEVEL) / 2))
    variances = [(max(0.0, half) / CLAIM_Z) ** 2 * episodes * df / chdtri(df, tail) for half, tail in ends]
    low, high = (_between(variance, accuracy * (1 - accuracy), queries) for variance in variances)
    return max(0.0, low) ** 0.5, high**0.5 if high > 0 else float("nan")


def compatible(implied: tuple[float, float], plausible: tuple[float, float]) -> str:
    """Whether the range of SDs implied by an interval overlaps the plausible one: `compatible`, or the interval is `too
    wide` or `too narrow` for the assumed test size."""
    if implied[0] > plausible[1]:
        return "too wide"
    return "compatible" if implied[1] >= plausible[0] else "too narrow"


def half_width_of(accuracy: float, between_sd: float, episodes: int, queries: int) -> float:
    """The half-width 1.96 sd / sqrt(n) of a test with this many episodes and queries."""
    variance = between_sd**2 * (queries - 1) / queries + accuracy * (1 - accuracy) / queries
    return CLAIM_Z * (variance / episodes) ** 0.5


def components(scores: np.ndarray) -> Components:
    """(MS_s - MS_r) / E, (MS_e - MS_r) / S and MS_r, each at least 0, in the square of the scores' unit."""
    (seeds, episodes), ms = scores.shape[-2:], statistics.mean_squares(scores)
    return Components(
        np.maximum(0, (ms.seeds - ms.rest) / episodes), np.maximum(0, (ms.episodes - ms.rest) / seeds), ms.rest
    )


def expected_mean_squares(found: Components, seeds: int, episodes: int) -> MeanSquares:
    """The expected mean squares for this many seeds and episodes, given the variance components."""
    return MeanSquares(episodes * found.seeds + found.rest, seeds * found.episodes + found.rest, found.rest)


def size_needed(
    scores: np.ndarray, accuracy: float, half_width: float, episodes: int, margin: float, one_model: bool = True
) -> Needed:
    """The numbers of seeds and of episodes that would decide a claim, if the difference and the components of `scores`
    [seeds, episodes] stay as they are. All values are in one unit."""
    (n_seeds, n_episodes), found = scores.shape, components(scores)
    difference = float(scores.mean()) - accuracy

    def decides(seeds: int, tested: int) -> bool:
        squares = expected_mean_squares(found, seeds, tested)
        error = statistics.error_of_difference(squares, seeds, tested, half_width, episodes, one_model)
        return _decided(Estimate(difference, *error), margin)

    return {
        "seeds": _fewest(lambda seeds: decides(seeds, n_episodes), FEWEST_SEEDS),
        "episodes": _fewest(lambda tested: decides(n_seeds, tested), 2),
    }


def size_needed_of_same_weights(
    scores: np.ndarray, accuracy: float, half_width: float, episodes: int, margin: float
) -> Needed:
    """The number of episodes that would decide a claim whose own weights are scored again, [episodes]: there are no
    seeds."""
    difference, variance = float(scores.mean()) - accuracy, float(scores.var(ddof=1))

    def decides(tested: int) -> bool:
        error = statistics.error_of_same_weights(variance, tested, half_width, episodes)
        return _decided(Estimate(difference, *error), margin)

    return {"episodes": _fewest(decides, 2)}


def _decided(difference: Estimate, margin: float) -> bool:
    return str(statistics.verdict(difference, margin)) != "inconclusive"


def _fewest(decides: Callable[[int], bool], least: int) -> int | None:
    """The smallest number that decides. A larger one need not: where the error of a claim about few trainings is what
    remains, so are its few degrees of freedom. Between two numbers an eighth apart, the larger decides if any does."""
    low, high = least - 1, least
    while not decides(high):
        if high >= _MOST:
            return None
        low, high = high, high + 1 + high // 8
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if decides(middle) else (middle, high)
    return high
