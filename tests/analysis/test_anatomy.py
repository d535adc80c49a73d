"""The components of intervals, and what would decide a verdict: by hand and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis import anatomy, statistics
from tests.conftest import ROOT

FINN_5, FINN_1 = (0.6311, 0.0092), (0.4870, 0.0184)
ARTICLE, RAVI = (0.6103, 0.0041), (0.4979, 0.0079)
PLAUSIBLE = (0.06, 0.08)


@pytest.mark.parametrize(
    ("claim", "episodes", "queries", "sd", "between"),
    [(FINN_5, 600, 25, 0.1150, 0.064), (FINN_1, 600, 5, 0.2300, 0.060), (RAVI, 600, 75, 0.0987, 0.081)],
)
def test_published_intervals(
    claim: tuple[float, float], episodes: int, queries: int, sd: float, between: float
) -> None:
    """The table of protocols.md."""
    parts = anatomy.of_claim(*claim, episodes, queries)
    assert np.sqrt(sum(parts)) == pytest.approx(sd, abs=1e-4)
    assert np.sqrt(parts.between) == pytest.approx(between, abs=1.5e-3)


def draw(
    generator: np.random.Generator, seeds: int, episodes: int, of_seeds: float, of_episodes: float, rest: float
) -> np.ndarray:
    """Random scores around 0.6 with these SDs: between seeds, between episodes, and the rest."""
    normal = generator.normal
    return 0.6 + normal(0, of_seeds, (seeds, 1)) + normal(0, of_episodes, episodes) + normal(0, rest, (seeds, episodes))


def test_the_variance_between_episodes_is_found() -> None:
    generator = np.random.default_rng(0)
    expected = generator.normal(0.6, 0.06, 20_000)
    scores = generator.binomial(25, np.stack([expected] * 3)) / 25
    parts = anatomy.of_scores(scores, 25)
    assert np.sqrt(parts.between) == pytest.approx(0.06, rel=0.05)
    assert parts.between + parts.binomial == pytest.approx(scores.var(-1, ddof=1).mean())
    assert np.isnan(anatomy.of_scores(generator.binomial(1, 0.6, (1, 50)).astype(float), 1).between)


@given(st.lists(st.integers(0, 10), min_size=2, max_size=4))
def test_no_part_of_a_few_episodes_is_below_nothing(correct: list[int]) -> None:
    """Ten queries each. Two episodes that score 0 and 10 vary by 1/2, twice p(1-p)."""
    scores = np.array([correct]) / 10
    parts = anatomy.of_scores(scores, 10)
    assert min(parts) >= 0
    assert sum(parts) == pytest.approx(scores.var(ddof=1))


def test_no_part_of_a_wide_published_interval_is_below_nothing() -> None:
    """60 ± 50 % over 10 episodes: an SD of 81 points, where no score in [0, 1] has one above 50 in the long run."""
    parts = anatomy.of_claim(0.60, 0.50, 10, 25)
    assert parts == (pytest.approx((0.50 / 1.96) ** 2 * 10), 0)


def test_every_inner_step_at_once() -> None:
    scores = np.random.default_rng(1).binomial(25, 0.6, (4, 3, 50)) / 25
    each = [anatomy.of_scores(of_step, 25) for of_step in scores]
    assert np.allclose(anatomy.of_scores(scores, 25), np.transpose(each))


@pytest.mark.parametrize(
    ("claim", "episodes", "queries", "expected"),
    [
        (FINN_5, 600, 25, "compatible"),
        (FINN_5, 600, 75, "too wide"),
        (FINN_5, 600, 5, "too narrow"),
        (FINN_1, 600, 5, "compatible"),
        (FINN_1, 600, 75, "too wide"),
        (ARTICLE, 1000, 75, "too narrow"),
        (RAVI, 600, 75, "compatible"),
    ],
)
def test_which_tests_an_interval_can_be_of(
    claim: tuple[float, float], episodes: int, queries: int, expected: str
) -> None:
    implied = anatomy.between_sd(*claim, episodes, queries, 0.00005)
    assert anatomy.compatible(implied, PLAUSIBLE) == expected


def test_the_interval_that_a_test_should_give() -> None:
    """protocols.md: 0.51 to 0.61 points for 1000 x 75; and the half-width recomputed from a claim's decomposition."""
    ends = [100 * anatomy.half_width_of(ARTICLE[0], sd, 1000, 75) for sd in PLAUSIBLE]
    assert ends == pytest.approx([0.51, 0.60], abs=0.005)
    between = anatomy.of_claim(*FINN_5, 600, 25).between
    assert anatomy.half_width_of(FINN_5[0], np.sqrt(between), 600, 25) == pytest.approx(FINN_5[1])


def test_the_implied_sd_covers_the_true_one() -> None:
    """At 95 %, over 2000 published intervals of tests whose SD between episodes is 7 points."""
    generator, covered = np.random.default_rng(2), 0
    for _ in range(2000):
        scores = generator.binomial(25, np.clip(generator.normal(0.6, 0.07, 600), 0, 1)) / 25
        half_width = 1.96 * scores.std(ddof=1) / np.sqrt(600)
        low, high = anatomy.between_sd(scores.mean(), half_width, 600, 25)
        covered += low <= 0.07 <= high
    assert 0.93 < covered / 2000 < 0.97


def test_no_rounding_or_spread_below_nothing() -> None:
    low, high = anatomy.between_sd(0.5, 0.0, 600, 25, 0.00005)
    assert low == 0 and np.isnan(high) and anatomy.compatible((low, high), PLAUSIBLE) == "too narrow"


def test_components_by_hand() -> None:
    """Rows 1 3 / 3 9: means 2, 6 and 2, 6; MS_s = MS_e = 16, MS_r = 4, so (16 - 4) / 2 twice, and 4."""
    found = anatomy.components(np.array([[1.0, 3.0], [3.0, 9.0]]))
    assert found == (6.0, 6.0, 4.0)
    assert anatomy.expected_mean_squares(found, 2, 2) == statistics.mean_squares(np.array([[1.0, 3.0], [3.0, 9.0]]))
    assert np.isnan(anatomy.components(np.array([[1.0, 3.0]])).seeds)


def test_components_are_found() -> None:
    """The mean over 300 draws of 5 seeds x 600 episodes; cutting off at 0 makes it slightly too high."""
    generator = np.random.default_rng(3)
    found = np.mean([anatomy.components(draw(generator, 5, 600, 0.01, 0.06, 0.1)) for _ in range(300)], axis=0)
    assert np.sqrt(found) == pytest.approx([0.01, 0.06, 0.1], rel=0.06)


def test_the_predicted_error_is_the_one_of_larger_designs() -> None:
    """V at 12 seeds x 2000 episodes, predicted from the true components, against V of random scores of that size."""
    sds, claim = (0.01, 0.06, 0.1), (0.0092, 600)
    predicted, _ = statistics.error_of_difference(
        anatomy.expected_mean_squares(anatomy.Components(*(sd**2 for sd in sds)), 12, 2000), 12, 2000, *claim
    )
    generator = np.random.default_rng(4)
    drawn = [statistics.difference_from_claim(draw(generator, 12, 2000, *sds), 0.6, *claim).se ** 2 for _ in range(200)]
    assert predicted == pytest.approx(np.sqrt(np.mean(drawn)), rel=0.03)


def with_difference(difference: float, seeds: int = 5) -> np.ndarray:
    """Random scores, in points, whose mean differs from 63.11 by `difference`."""
    scores = 100 * draw(np.random.default_rng(5), seeds, 600, 0.01, 0.06, 0.1)
    return scores - scores.mean() + 63.11 + difference


@pytest.mark.parametrize("difference", [0.0, 0.8, 3.0])
def test_the_fewest_that_decide(difference: float) -> None:
    """With the returned number there is a verdict, and with one fewer there is none: by the same formula, from the
    components."""
    scores, claim = with_difference(difference), (0.92, 600)
    fewest = anatomy.size_needed(scores, 63.11, *claim, 2.0)
    found = anatomy.components(scores)

    def verdict(seeds: int, episodes: int) -> str:
        error = statistics.error_of_difference(
            anatomy.expected_mean_squares(found, seeds, episodes), seeds, episodes, *claim
        )
        return str(statistics.verdict(statistics.Estimate(difference, *error), 2.0))

    seeds, episodes = fewest["seeds"], fewest["episodes"]
    for count, at in ((seeds, lambda n: verdict(n, 600)), (episodes, lambda n: verdict(5, n))):
        assert count is None or (at(count) != "inconclusive" and (count <= 3 or at(count - 1) == "inconclusive"))
        assert count is not None or at(10**7) == "inconclusive"
    assert seeds is not None or difference == 0.8


def test_no_number_would_do() -> None:
    """48.70 +- 1.84 with a margin of 2: at a difference of 1.2 neither verdict can be reached, 1.2 + 1.55 > 2 and
    1.2 < 1.84; at 0.2 the trainings' own spread allows one."""
    wide = (48.70, 1.84, 600)
    still = np.zeros((3, 600)) + 48.70
    assert anatomy.size_needed(still + 1.2, *wide, 2.0) == {"seeds": None, "episodes": None}
    assert anatomy.size_needed_of_same_weights(still[0] + 1.2, *wide, 2.0) == {"episodes": None}
    assert anatomy.size_needed(still + 0.2, *wide, 2.0) == {"seeds": 3, "episodes": 2}


def test_a_few_seeds_can_decide_what_many_cannot() -> None:
    """93.7 +- 0.7, the SD of three trainings, and ours with an SD of 1: with many seeds only the claim's error and its
    two degrees of freedom remain, t = 4.30, and 4.30 x 0.40 > 1.5; five seeds have 5.7, and 2.48 x 0.60 < 1.5."""
    scores = 95.2 + np.array([[-1.0], [0.0], [1.0]]) + np.zeros(600)
    found = anatomy.size_needed(scores, 93.7, 1.96 * 0.7 / 3**0.5, 3, 1.0, one_model=False)
    assert found == {"seeds": 5, "episodes": None}


def test_the_same_weights_by_hand() -> None:
    """V = sd^2/E + (h/1.96)^2. At h = 0, D = 0: agrees once t(E-1, 0.95) sd / sqrt(E) < 2, with sd = 20 at E = 273
    (1.650 x 20 / sqrt(273) = 1.998; at 272 it is 2.001)."""
    scores = np.tile([30.0, 70.0], 300)
    estimate = statistics.difference_of_same_weights(scores, 48.70, 1.84, 600)
    assert estimate.value == pytest.approx(1.3)
    assert estimate.se**2 == pytest.approx(scores.var(ddof=1) / 600 + (1.84 / 1.96) ** 2)
    exact = np.tile([30.0, 70.0], 50_000)
    assert exact.std(ddof=1) == pytest.approx(20, abs=1e-3)
    assert anatomy.size_needed_of_same_weights(exact, 50.0, 0.0, 600, 2.0) == {"episodes": 273}


def test_coverage_of_the_same_weights() -> None:
    """The claim and our episodes are drawn from one model: D's 95 % interval holds 0 in 95 % of 4000 draws."""
    generator = np.random.default_rng(6)
    theirs, ours = (generator.normal(48, 23, (4000, n)) for n in (600, 2000))
    held = 0
    for a, b in zip(theirs, ours, strict=True):
        half_width = 1.96 * a.std(ddof=1) / np.sqrt(600)
        low, high = statistics.difference_of_same_weights(b, a.mean(), half_width, 600).interval()
        held += low <= 0 <= high
    assert 0.94 < held / 4000 < 0.96


def of_error_rates(accuracy: float, between: float, episodes: int, queries: int, repeats: int) -> np.ndarray:
    """Accuracies [repeats, episodes] of binomial queries; error rates are lognormal, with the SD `between` between
    episodes."""
    generator, error = np.random.default_rng(7), 1 - accuracy
    width = np.sqrt(np.log1p((between / error) ** 2))
    rates = error * np.exp(generator.normal(0, width, (repeats, episodes)) - width**2 / 2)
    return 1 - generator.binomial(queries, np.clip(rates, 0, 1)) / queries


@pytest.mark.parametrize(
    ("accuracy", "between", "queries", "least", "most"),
    [(0.80, 0.07, 5, 0.95, 1.0), (0.80, 0.07, 75, 0.87, 1.0), (0.987, 0.02, 25, 0, 0.5), (0.987, 0.03, 5, 0, 0.6)],
)
def test_where_a_variance_tells_the_implied_sd(
    accuracy: float, between: float, queries: int, least: float, most: float
) -> None:
    """Coverage is nearly 95 % up to an accuracy of 80 %; at 98.7 % it is far lower, and no SD is shown there."""
    covered = 0
    for scores in of_error_rates(accuracy, between, 600, queries, 1000):
        half_width = 1.96 * scores.std(ddof=1) / np.sqrt(600)
        low, high = anatomy.between_sd(scores.mean(), half_width, 600, queries)
        covered += low <= between <= high
    assert least <= covered / 1000 <= most
    telling = anatomy.TELLING[0] <= accuracy <= anatomy.TELLING[1]
    assert telling == (least > 0)


@pytest.mark.parametrize(("means", "at_the_grand_mean"), [((0.70, 0.60, 0.50), 3.0), ((0.75, 0.60, 0.45), 0.0)])
def test_seeds_that_lie_apart_leave_the_episodes_as_they_are(
    means: tuple[float, ...], at_the_grand_mean: float
) -> None:
    """With an SD of 5 points between episodes: p(1-p) is computed per seed; from the mean over seeds, the SD between
    episodes would come out smaller, or as zero."""
    generator = np.random.default_rng(8)
    rates = np.array(means)[:, None] + generator.normal(0, 0.05, (1, 20_000))
    scores = generator.binomial(5, rates) / 5
    assert 100 * np.sqrt(anatomy.of_scores(scores, 5).between) == pytest.approx(5.0, abs=0.5)
    p = scores.mean()
    wrong = max(0.0, (scores.var(-1, ddof=1).mean() - p * (1 - p) / 5) * 5 / 4)
    assert 100 * np.sqrt(wrong) == pytest.approx(at_the_grand_mean, abs=0.6)


@pytest.mark.parametrize(("between_classes", "too_much"), [(0.13, 8), (0.21, 24)])
def test_classes_of_unlike_difficulty_overstate_the_binomial_part(between_classes: float, too_much: int) -> None:
    """See docs/anatomy.md: the queries of one class are more often right together than by chance, and the sum of their
    variances is less than the variance computed from their mean."""
    generator = np.random.default_rng(9)
    # Of each episode 5 classes, drawn to have this SD exactly, and 5 queries a class.
    drawn = generator.normal(size=(40_000, 5))
    drawn = (drawn - drawn.mean(1, keepdims=True)) / drawn.std(1, keepdims=True)
    rates = np.clip(0.6 + between_classes * drawn, 0, 1)
    scores = generator.binomial(5, rates).sum(1) / 25
    true = (rates * (1 - rates)).mean() / 25
    found = anatomy.of_scores(scores[None], 25)
    shown = (scores.mean() * (1 - scores.mean()) - found.between) / 25
    assert 100 * (shown / true - 1) == pytest.approx(too_much, abs=2)
    assert f"{too_much} %" in (ROOT / "docs" / "anatomy.md").read_text()


def test_the_binomial_part_is_the_document_s_formula() -> None:
    """(p(1-p) - between) / Q, not p(1-p) / Q: 9.57 points for the 63.11, not 9.65."""
    parts = anatomy.of_claim(*FINN_5, 600, 25)
    p = FINN_5[0]
    assert parts.binomial == pytest.approx((p * (1 - p) - parts.between) / 25)
    assert f"{100 * np.sqrt(parts.binomial):.2f}" == "9.57" and f"{100 * np.sqrt(p * (1 - p) / 25):.2f}" == "9.65"
    text = (ROOT / "docs" / "anatomy.md").read_text()
    assert "(p(1−p) − between)/Q" in text and "9.57" in text
