"""What intervals are made of, by hand and by simulation; and what it would take to decide."""

from __future__ import annotations

import numpy as np
import pytest

from bench.analysis import anatomy, statistics

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
    """Scores around 0.6 with these SDs."""
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
    """protocols.md: 0.51 to 0.61 points for 1000 x 75; and the way back from a claim's anatomy."""
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
    assert anatomy.expected(found, 2, 2) == statistics.mean_squares(np.array([[1.0, 3.0], [3.0, 9.0]]))
    assert np.isnan(anatomy.components(np.array([[1.0, 3.0]])).seeds)


def test_components_are_found() -> None:
    """Over 300 draws of 5 seeds x 600 episodes; the mean of what is cut off at 0 is a little high."""
    generator = np.random.default_rng(3)
    found = np.mean([anatomy.components(draw(generator, 5, 600, 0.01, 0.06, 0.1)) for _ in range(300)], axis=0)
    assert np.sqrt(found) == pytest.approx([0.01, 0.06, 0.1], rel=0.06)


def test_the_predicted_error_is_the_one_of_larger_designs() -> None:
    """From the true components to V at 12 seeds x 2000 episodes, beside that of drawn ones."""
    sds, claim = (0.01, 0.06, 0.1), (0.0092, 600)
    predicted, _ = statistics.error_of_difference(
        anatomy.expected(anatomy.Components(*(sd**2 for sd in sds)), 12, 2000), 12, 2000, *claim
    )
    generator = np.random.default_rng(4)
    drawn = [statistics.difference_from_claim(draw(generator, 12, 2000, *sds), 0.6, *claim).se ** 2 for _ in range(200)]
    assert predicted == pytest.approx(np.sqrt(np.mean(drawn)), rel=0.03)


def with_difference(difference: float, seeds: int = 5) -> np.ndarray:
    """Drawn scores, in points, whose mean is so far from 63.11."""
    scores = 100 * draw(np.random.default_rng(5), seeds, 600, 0.01, 0.06, 0.1)
    return scores - scores.mean() + 63.11 + difference


@pytest.mark.parametrize("difference", [0.0, 0.8, 3.0])
def test_the_fewest_that_decide(difference: float) -> None:
    """At that number the verdict is there, and at one fewer it is not: by the same formula, from the components."""
    scores, claim = with_difference(difference), (0.92, 600)
    fewest = anatomy.needed(scores, 63.11, *claim, 2.0)
    found = anatomy.components(scores)

    def verdict(seeds: int, episodes: int) -> str:
        error = statistics.error_of_difference(anatomy.expected(found, seeds, episodes), seeds, episodes, *claim)
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
    assert anatomy.needed(still + 1.2, *wide, 2.0) == {"seeds": None, "episodes": None}
    assert anatomy.needed_of_same_weights(still[0] + 1.2, *wide, 2.0) == {"episodes": None}
    assert anatomy.needed(still + 0.2, *wide, 2.0) == {"seeds": 3, "episodes": 2}


def test_the_same_weights_by_hand() -> None:
    """V = sd^2/E + (h/1.96)^2. At h = 0, D = 0: agrees once t(E-1, 0.95) sd / sqrt(E) < 2, with sd = 20 at E = 273
    (1.650 x 20 / sqrt(273) = 1.998; at 272 it is 2.001)."""
    scores = np.tile([30.0, 70.0], 300)
    estimate = statistics.difference_of_same_weights(scores, 48.70, 1.84, 600)
    assert estimate.value == pytest.approx(1.3)
    assert estimate.se**2 == pytest.approx(scores.var(ddof=1) / 600 + (1.84 / 1.96) ** 2)
    exact = np.tile([30.0, 70.0], 50_000)
    assert exact.std(ddof=1) == pytest.approx(20, abs=1e-3)
    assert anatomy.needed_of_same_weights(exact, 50.0, 0.0, 600, 2.0) == {"episodes": 273}


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
