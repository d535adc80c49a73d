"""The error of a published number according to the meaning of its ±: by hand, and as a verdict uses it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.analysis import claim_error, statistics
from bench.analysis.cells import Cell
from bench.analysis.claims import Claim
from bench.analysis.verdicts import judge
from tests.analysis.test_verdicts import PAPER, cell

SD = replace(PAPER, ci95=0.5, ci_meaning="SD of 3 trainings", tasks=None, queries_per_class=None)
NONE = replace(PAPER, ci95=None, ci_meaning="")


def error_of(claim: Claim, of: Cell) -> claim_error.Error:
    return claim_error.of_claim(claim, of.scores, of.queries)


def test_over_tasks_it_is_what_is_printed(tmp_path: Path) -> None:
    assert error_of(PAPER, cell(tmp_path)) == (0.4, 600, True, "")


def test_a_standard_deviation_of_three_trainings() -> None:
    """An SD of 0.5 over three trainings: a standard error of 0.5 / sqrt(3), and a 95 % interval of 4.303 standard
    errors."""
    found = claim_error.of_claim(SD, np.full((3, 4), 90.0), 5)
    assert found.half_width == pytest.approx(1.96 * 0.28868, abs=1e-4) and (found.n, found.one_model) == (3, False)
    assert "standard deviation of 3 trainings, which is ±1.24 for their mean" in found.said


def test_an_interval_over_three_trainings_is_not_taken_for_less_than_their_standard_deviation() -> None:
    found, sd = (
        claim_error.of_claim(replace(SD, ci_meaning=meaning), np.full((3, 4), 90.0), 5)
        for meaning in ("over 3 trainings", SD.ci_meaning)
    )
    assert found[:3] == sd[:3] and "an interval over 3 trainings, taken for their standard deviation" in found.said


@pytest.mark.parametrize(("tasks", "queries", "half_width"), [(600, 1, 3.4217), (1000, 15, 2.5520)])
def test_worked_out_by_hand(tasks: int, queries: int, half_width: float) -> None:
    """Scores of 20 and 100, four each: mean 0.6, variance 8 * 0.16 / 7 = 0.18286, of which 0.24 / 5 is five queries'
    binomial, and (0.18286 - 0.048) * 5/4 = 0.16857 is between episodes. Of 5 queries that gives 0.18286 again, of 75
    0.16857 * 74/75 + 0.24/75 = 0.16952; and the half-width is 1.96 sqrt(variance / tasks), here in points."""
    claim = replace(NONE, tasks=tasks, queries_per_class=queries)
    found = claim_error.of_claim(claim, np.array([[20.0, 100.0] * 4] * 3), 5)
    assert found.half_width == pytest.approx(half_width, abs=1e-3) and (found.n, found.one_model) == (8, True)
    assert f"{tasks:,} episodes of {5 * queries} queries, the variance of our episodes gives" in found.said


def test_a_claim_without_an_interval_is_judged(tmp_path: Path) -> None:
    of = cell(tmp_path, accuracy=0.80)
    error = error_of(NONE, of)
    found, same = judge(NONE, of), judge(replace(PAPER, ci95=error.half_width), of)
    assert found.verdict == "differs" and found.reasons == () and "the variance of our episodes gives" in found.why
    assert found.interval == pytest.approx(same.interval)


@pytest.mark.parametrize(("meaning", "said"), [("over trainings", "an unknown number of trainings"), ("", "unknown")])
def test_a_narrow_interval_over_trainings_is_not_taken_for_one_over_tasks(
    tmp_path: Path, meaning: str, said: str
) -> None:
    of, claim = cell(tmp_path, accuracy=0.95), replace(PAPER, ci95=0.001, ci_meaning=meaning)
    found = judge(claim, of)
    assert found.interval == pytest.approx(judge(NONE, of).interval) and said in found.why


def test_a_mean_over_trainings_is_judged_as_one(tmp_path: Path) -> None:
    of = cell(tmp_path, accuracy=0.80)
    found = judge(SD, of)
    expected = statistics.difference_from_claim(of.scores, SD.accuracy, 1.96 * 0.5 / np.sqrt(3), 3, one_model=False)
    assert found.interval == pytest.approx(expected.interval()) and found.verdict == "differs"
    assert "±1.24 for their mean" in found.why
