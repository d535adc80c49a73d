"""Intervals, verdicts and comparisons: by hand, by changes that must not affect them, and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bench.analysis import bootstrap, paired_tests, statistics
from tests.conftest import ROOT

# By hand: grand mean 5; row means 4, 6; column means 3, 4, 8; what is left after both: 0.
ADDITIVE = np.array([[2.0, 3.0, 7.0], [4.0, 5.0, 9.0]])
# Row means 2, 4; column means 2, 4; rest +-1.
CROSSED = np.array([[2.0, 2.0], [2.0, 6.0]])

REPEATS, SEEDS, EPISODES, MEAN = 1500, 5, 600, 63.11
BETWEEN, BINOMIAL = 6.3, 9.65  # points: SD between episodes; of 25 queries at 63 %


def simulated(seed_sd: float, seeds: int = SEEDS) -> np.ndarray:
    """Random scores [repeats, seeds, episodes], in points."""
    draw = np.random.default_rng(0).normal
    scores = draw(0, BINOMIAL, (REPEATS, seeds, EPISODES))
    scores += draw(MEAN, BETWEEN, (REPEATS, 1, EPISODES))
    scores += draw(0, seed_sd, (REPEATS, seeds, 1))
    return scores


@pytest.fixture(scope="module", params=[0.2, 0.5, 1.0])
def simulation(request: pytest.FixtureRequest) -> tuple[float, np.ndarray]:
    """The SD between seeds, and scores simulated with it."""
    return request.param, simulated(request.param)


def assert_share(share: float, least: float, most: float) -> None:
    """Asserts that a share is within three binomial standard errors, plus rounding, of the one in statistics.md."""
    tolerance = 3 * np.sqrt(share * (1 - share) / REPEATS) + 0.005
    assert least - tolerance <= share <= most + tolerance


def covered(estimate: statistics.Estimate) -> float:
    return float(np.mean(np.abs(estimate.value - MEAN) < estimate.half_width()))


def test_mean_squares_by_hand() -> None:
    assert statistics.mean_squares(ADDITIVE) == pytest.approx((6.0, 14.0, 0.0))
    assert statistics.mean_squares(CROSSED) == pytest.approx((4.0, 4.0, 4.0))


def test_intervals_by_hand() -> None:
    both = statistics.over_both(CROSSED)  # se^2 = max(4, 4, 4 + 4 - 4) / 4; nu = 16 / (16 + 16 + 16), at least 1
    assert (both.value, both.se, both.df) == pytest.approx((3.0, 1.0, 1.0))
    assert both.interval() == pytest.approx((3 - 12.7062, 3 + 12.7062), abs=1e-3)
    seeds, episodes = statistics.over_seeds(ADDITIVE), statistics.over_episodes(ADDITIVE)
    assert (seeds.value, seeds.se, seeds.df) == pytest.approx((5.0, np.sqrt(2 / 2), 1))
    assert (episodes.value, episodes.se, episodes.df) == pytest.approx((5.0, np.sqrt(7 / 3), 2))
    each = statistics.per_seed(ADDITIVE)
    assert each.value == pytest.approx([4.0, 6.0]) and each.se == pytest.approx(np.sqrt(7 / 3))


def test_difference_from_a_claim_by_hand() -> None:
    found = statistics.difference_from_claim(ADDITIVE, 4.0, 1.96, 11)
    # se^2 = (6 + 14 - 0) / 6, s2_model = 6 / 3, (h / 1.96)^2 = 1, k = 1/6 + 1/3
    variance = 20 / 6 + 2 + 1
    df = variance**2 / ((6 / 2) ** 2 / 1 + (14 / 6) ** 2 / 2 + 0 + 1 / 10)
    assert (found.value, found.se**2, found.df) == pytest.approx((1.0, variance, df))


def test_difference_from_a_mean_over_trainings_by_hand() -> None:
    """SD 3 of 3 trainings: a standard error of sqrt(3) with 2 degrees of freedom, and no spread of one more model."""
    found = statistics.difference_from_claim(ADDITIVE, 4.0, 1.96 * np.sqrt(3), 3, one_model=False)
    variance = 20 / 6 + 3
    df = variance**2 / ((6 / 6) ** 2 / 1 + (14 / 6) ** 2 / 2 + 0 + 9 / 2)
    assert (found.value, found.se**2, found.df) == pytest.approx((1.0, variance, df))


def test_nothing_of_ours_leaves_a_mean_over_trainings_its_t_interval() -> None:
    """For an SD s of three seeds, the 95 % interval of their mean is ± 2.48 s (t, 2 degrees of freedom)."""
    still = np.full((5, 10), 96.2)
    found = statistics.difference_from_claim(still, 96.2, 1.96 * 0.5 / np.sqrt(3), 3, one_model=False)
    assert found.half_width() == pytest.approx(2.484 * 0.5, abs=1e-3)
    smallest = statistics.smallest_half_width(still, 1.96 * 0.5 / np.sqrt(3), 3, one_model=False, level=0.95)
    assert smallest == pytest.approx(2.484 * 0.5, abs=1e-3)


def test_degrees_of_freedom_are_never_fewer_than_the_seeds_give() -> None:
    scores = np.random.default_rng(1).normal(0, [[9.0], [1.0], [1.0]], (3, 50))
    assert statistics.over_both(scores).df >= 2


matrices = st.tuples(st.integers(2, 5), st.integers(2, 20), st.integers(0, 2**32 - 1)).map(
    lambda shape: np.random.default_rng(shape[2]).uniform(0, 100, shape[:2])
)


@settings(max_examples=50, deadline=None)
@given(matrices, st.floats(-50, 50), st.floats(0.01, 100), st.integers(0, 2**32 - 1))
def test_order_place_and_unit_do_not_matter(scores: np.ndarray, shift: float, scale: float, key: int) -> None:
    shuffled = np.random.default_rng(key).permuted(scores, axis=0)
    assert statistics.over_seeds(shuffled).value == pytest.approx(scores.mean())
    shuffled = scores[::-1, np.random.default_rng(key).permutation(scores.shape[1])]
    for interval in (statistics.over_both, statistics.over_seeds, statistics.over_episodes):
        one, other = interval(scores), interval(scale * shuffled + shift)
        assert other.value == pytest.approx(scale * one.value + shift, rel=1e-6, abs=1e-6)
        assert other.half_width() == pytest.approx(scale * one.half_width(), rel=1e-5, abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(matrices)
def test_both_is_never_narrower_than_either_error_alone(scores: np.ndarray) -> None:
    se = statistics.over_both(scores).se
    assert se >= statistics.over_seeds(scores).se - 1e-9 and se >= statistics.over_episodes(scores).se - 1e-9


def test_n_is_the_episodes_however_often_a_model_is_repeated() -> None:
    one = np.random.default_rng(0).normal(60, 6, (1, 200))
    repeated = statistics.over_episodes(np.repeat(one, 7, axis=0))
    assert repeated.half_width() == pytest.approx(statistics.over_episodes(one).half_width())
    assert repeated.half_width() == pytest.approx(stats.t.ppf(0.975, 199) * one.std(ddof=1) / np.sqrt(200))


def test_leading_dimensions_are_independent_matrices() -> None:
    stack = np.random.default_rng(0).normal(size=(4, 3, 20))
    whole = statistics.over_both(stack).half_width()
    assert whole == pytest.approx([statistics.over_both(scores).half_width() for scores in stack])


def test_one_seed_tells_nothing_of_other_seeds() -> None:
    scores = np.random.default_rng(0).normal(60, 6, (1, 50))
    for unknown in (statistics.over_both(scores), statistics.over_seeds(scores)):
        assert np.isnan(unknown.half_width()) and unknown.value == pytest.approx(scores.mean())
    assert np.isnan(bootstrap.crossed_bootstrap(scores, np.random.default_rng(0))).all()
    assert np.isfinite(statistics.over_episodes(scores).half_width())


def test_equal_scores_give_intervals_of_no_width() -> None:
    scores = np.full((3, 20), 100.0)
    for interval in (statistics.over_both, statistics.over_seeds, statistics.over_episodes):
        assert interval(scores).interval() == (100.0, 100.0)
    assert bootstrap.crossed_bootstrap(scores, np.random.default_rng(0)) == (100.0, 100.0)
    claim = statistics.difference_from_claim(scores, 99.9, 0.1, 600)
    assert claim.se == pytest.approx(0.1 / 1.96) and claim.df == pytest.approx(599)


def test_coverage(simulation: tuple[float, np.ndarray]) -> None:
    seed_sd, scores = simulation
    both, seeds, episodes = {0.2: (0.96, 0.83, 0.94), 0.5: (0.95, 0.89, 0.89), 1.0: (0.94, 0.93, 0.75)}[seed_sd]
    assert_share(covered(statistics.over_both(scores)), both, both)
    assert_share(covered(statistics.over_seeds(scores)), seeds, seeds)
    assert_share(covered(statistics.over_episodes(scores)), episodes, episodes)
    n = SEEDS * EPISODES
    wrong = statistics.Estimate(scores.mean((1, 2)), scores.std((1, 2), ddof=1) / np.sqrt(n), n - 1)
    assert_share(covered(wrong), 0.57, 0.80)
    assert covered(wrong) < covered(statistics.over_episodes(scores)) - 0.1


@pytest.mark.parametrize(
    ("seeds", "seed_sd", "share"),
    [(2, 0.2, 0.969), (2, 1, 0.905), (2, 2, 0.884), (3, 0.2, 0.967), (3, 1, 0.933), (3, 2, 0.927), (10, 2, 0.952)],
)
def test_coverage_of_few_seeds_is_what_the_document_says(seeds: int, seed_sd: float, share: float) -> None:
    assert_share(covered(statistics.over_both(simulated(seed_sd, seeds))), share, share)
    assert f"{100 * share:.1f} %" in (ROOT / "docs" / "statistics.md").read_text()


def test_verdicts(simulation: tuple[float, np.ndarray]) -> None:
    seed_sd, scores = simulation
    shares = {}
    for off in (0, 2, 4):
        noise = np.random.default_rng(off).normal(0, np.hypot(seed_sd, 0.92 / statistics.CLAIM_Z), REPEATS)
        verdicts = statistics.verdict(statistics.difference_from_claim(scores, MEAN + off + noise, 0.92, 600), 2.0)
        shares[off] = {name: float(np.mean(verdicts == name)) for name in ("agrees", "differs")}
    assert_share(shares[0]["differs"], 0.04, 0.05)
    assert_share(shares[2]["agrees"], 0.03, 0.06)
    assert_share(shares[2]["differs"], *2 * ({0.2: 0.81, 0.5: 0.58, 1.0: 0.27}[seed_sd],))
    assert_share(shares[4]["differs"], *2 * ({0.2: 1.0, 0.5: 0.99, 1.0: 0.73}[seed_sd],))


def test_crossed_bootstrap_is_near_the_headline_and_repeatable() -> None:
    scores = simulated(0.2)[0]
    low, high = bootstrap.crossed_bootstrap(scores, np.random.default_rng(0))
    assert (low, high) == bootstrap.crossed_bootstrap(scores, np.random.default_rng(0))
    nested = scores.std() / np.sqrt(scores.size)
    assert low < scores.mean() < high and (high - low) / 2 > 1.2 * nested
    both = statistics.over_both(scores)
    assert (high - low) / 2 == pytest.approx(1.96 * both.se, rel=0.25)


def test_verdict_at_its_edges() -> None:
    def judged(value: float, se: float) -> str:
        return str(statistics.verdict(statistics.Estimate(value, se, 1e6), 2.0))

    assert judged(0.0, 1.0) == "agrees" and judged(0.0, 2.0 / 1.64) == "inconclusive"
    assert judged(3.0, 1.0) == "differs" and judged(-3.0, 1.0) == "differs" and judged(1.9, 1.0) == "inconclusive"
    assert judged(1.0, 0.1) == "agrees"  # also where 0 is excluded: the margin says what matters


def test_no_number_of_seeds_beats_the_smallest_half_width() -> None:
    few, draw = simulated(0.5)[0], np.random.default_rng(0).normal
    smallest = statistics.smallest_half_width(few, 1.84, 600)
    assert 1.645 * 1.84 / 1.96 < smallest < statistics.difference_from_claim(few, 48.7, 1.84, 600).half_width(0.90)
    many = draw(MEAN, BETWEEN, (1, 400)) + draw(0, 0.5, (500, 1)) + draw(0, BINOMIAL, (500, 400))
    reached = statistics.difference_from_claim(many, 48.7, 1.84, 600).half_width(0.90)
    assert statistics.smallest_half_width(many, 1.84, 600) == pytest.approx(reached, rel=0.01)


def test_the_smallest_half_width_against_a_mean_over_few_trainings_is_at_most_the_present_one() -> None:
    """In the limit of many seeds only the claim's error is left, with its 2 degrees of freedom: t is 2.92."""
    draw = np.random.default_rng(0).normal
    few = draw(MEAN, BETWEEN, (1, 600)) + draw(0, 0.5, (5, 1)) + draw(0, BINOMIAL, (5, 600))
    present = statistics.difference_from_claim(few, MEAN, 1.96, 3, one_model=False).half_width(0.90)
    assert 1.645 < statistics.smallest_half_width(few, 1.96, 3, one_model=False) <= present < 2.92


def test_paired() -> None:
    episode = np.random.default_rng(0).normal(60, 6, (1, 300))
    noise = np.random.default_rng(1).normal(0, 1, (2, 4, 300))
    a, b = episode + noise[0] + 1, episode + noise[1]
    found = paired_tests.paired_difference(a, b)
    assert found.kind == "both" and found.p_value < 1e-3 and found.difference.value == pytest.approx((a - b).mean())
    assert found.difference.half_width() < statistics.over_both(a).half_width() / 3  # the episodes' part cancels
    few = paired_tests.paired_difference(a[:2], b[:2])
    assert few.kind == "for these models" and np.isnan(few.p_value)
    assert few.difference == statistics.over_episodes(a[:2] - b[:2])
    assert paired_tests.paired_difference(a, a).p_value == 1.0


def test_holm() -> None:
    assert paired_tests.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert paired_tests.holm([0.9, 0.8]) == [1.0, 1.0]
    assert paired_tests.holm([]) == []
