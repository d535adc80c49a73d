"""p-values from few seeds: how often they report differences where there are none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import stdtr

from bench.analysis import paired_tests, statistics
from tests.conftest import ROOT

EPISODES, COMMON, REST = 600, 4.0, 8.0  # points: SD of an episode's difference common to all seeds, and of the rest
NULLS = 12


def differences(seeds: int, seed_sd: float, tables: int) -> statistics.Estimate:
    """The headline estimate of `NULLS` differences that are truly 0, [tables, NULLS], by drawing the mean squares of a
    balanced two-way design: independent of each other and of the mean, each a chi-square over its degrees of freedom
    (Scheffe, "The analysis of variance", 1959, section 7.4)."""
    generator, shape = np.random.default_rng(seeds), (tables, NULLS)
    expected = (EPISODES * seed_sd**2 + REST**2, seeds * COMMON**2 + REST**2, REST**2)
    dfs = (seeds - 1, EPISODES - 1, (seeds - 1) * (EPISODES - 1))
    ms = [mean * generator.chisquare(df, shape) / df for mean, df in zip(expected, dfs, strict=True)]
    value = generator.normal(0, np.sqrt((expected[0] + expected[1] - expected[2]) / (seeds * EPISODES)), shape)
    return statistics.of_mean_squares(value, statistics.MeanSquares(*ms), seeds, EPISODES)


def found_by_holm(p_values: np.ndarray) -> float:
    """The share of tables in which at least one difference is found at 5 %: Holm's first step equals Bonferroni's."""
    return float((p_values.min(-1) < 0.05 / NULLS).mean())


@pytest.mark.parametrize(
    ("seeds", "seed_sd", "before", "after"),
    [
        (3, 1.0, 0.213, 0.0),
        (3, 2.0, 0.204, 0.0004),
        (5, 1.0, 0.107, 0.005),
        (5, 2.0, 0.092, 0.026),
        (10, 1.0, 0.062, 0.019),
    ],
)
def test_few_seeds_find_nothing_where_there_is_nothing(seeds: int, seed_sd: float, before: float, after: float) -> None:
    """Over 100,000 tables; `before`: with the degrees of freedom of the interval."""
    estimate = differences(seeds, seed_sd, 20_000)
    assert found_by_holm(paired_tests.p_value(estimate, seeds)) == pytest.approx(after, abs=0.005)
    liberal = 2 * stdtr(estimate.df, -np.abs(estimate.value / estimate.se))
    assert found_by_holm(liberal) == pytest.approx(before, abs=0.015)
    row = f"| {seeds} | {seed_sd:g} | {100 * before:.0f} % | {100 * after:.1f} % |"
    assert row in (ROOT / "docs" / "statistics.md").read_text()


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("seed_sd", [0.0, 0.3, 1.0, 4.0])
def test_a_p_value_is_as_rare_as_it_says(seeds: int, seed_sd: float) -> None:
    p = paired_tests.p_value(differences(seeds, seed_sd, 10_000), seeds)
    for level in (0.05, 0.01, 0.001):
        share = (p < level).mean()
        assert share <= level + 3 * np.sqrt(level / p.size)
    if seed_sd == 4:  # where trainings differ that much, it is as often as that too
        assert (p < 0.05).mean() > 0.04


def test_no_tiny_p_from_three_seeds() -> None:
    """Three seed means 10 points above 0 and 0.3 apart, with 600 episodes: t over the seed means gives 1e-4, so the
    reported p must not be 1e-60."""
    generator = np.random.default_rng(0)
    scores = 10 + np.array([[-0.3], [0.0], [0.3]]) + generator.normal(0, 6, (3, 600))
    scores += 10 + np.array([[-0.3], [0.0], [0.3]]) - scores.mean(1, keepdims=True)
    found = paired_tests.paired_difference(scores, np.zeros_like(scores))
    over_seeds = statistics.over_seeds(scores)
    assert found.p_value >= float(2 * stdtr(2, -over_seeds.value / over_seeds.se)) > 1e-4


def test_the_p_value_has_the_seeds_degrees_of_freedom() -> None:
    scores = np.random.default_rng(3).normal(0.1, 1, (3, 40))
    found = paired_tests.paired_difference(scores, np.zeros_like(scores))
    t = abs(found.difference.value) / found.difference.se
    assert found.p_value == pytest.approx(2 * stdtr(2, -t))
    assert found.difference.df > 2  # so that the interval is narrower than the p-value's would be
