"""The standard error of a published number, according to the meaning of its ±.

| the ± of the claim | the error that a verdict uses |
| --- | --- |
| over tasks | the ± is 1.96 standard errors of one trained model (Finn et al. 2017, code) |
| the standard deviation s of n trainings | s / sqrt(n), for the mean of n trainings, with n - 1 degrees of freedom |
| an interval over n trainings, by an unpublished formula | as if it were their standard deviation |
| over an unknown number of trainings; unknown; none | the computed error of one trained model on that many episodes |

A mean over an unknown number of trainings is treated as one training, the case with the largest error, so that no
verdict is too bold. For the same reason an interval over n trainings (Nichol et al. 2018, appendix A: "using the
standard deviation") counts as s itself: 1.96 s / sqrt(n) or a t interval would mean a smaller s.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bench.analysis import anatomy
from bench.analysis.claims import OVER_TRAININGS, Claim
from bench.analysis.statistics import CLAIM_Z, Estimate


class Error(NamedTuple):
    """The error of a claim. `half_width`: 1.96 standard errors, in points; `n`: their degrees of freedom plus one;
    `one_model`: whether the claim is about one trained model, to which the spread between trainings is added; `said`:
    in words."""

    half_width: float
    n: int
    one_model: bool
    said: str


def lacking(claim: Claim) -> list[str]:
    """What is missing from the claim to compute its error, in words."""
    if claim.over_tasks is not None:
        return [] if claim.tasks else ["the claim's number of test episodes is unknown"]
    if claim.trainings:
        return []
    if not claim.about.measure.counted:
        return [_what(claim)]
    parts = {"test episodes": claim.tasks, "queries": claim.queries_per_class}
    missing = " and ".join(name for name, value in parts.items() if not value)
    return [f"{_what(claim)}, and its number of {missing} is unknown"] if missing else []


def of_claim(claim: Claim, scores: np.ndarray, queries: int) -> Error:
    """The error of a claim that lacks nothing, compared with `scores` [seeds, episodes], in percent, of test episodes
    with this many `queries`, all classes together."""
    if claim.over_tasks is not None:
        assert claim.tasks is not None
        return Error(claim.over_tasks, claim.tasks, True, "")
    if claim.trainings:
        return _of_trainings(claim.ci95 or 0.0, claim.trainings, claim.ci_meaning)
    return _worked_out(claim, scores, queries)


def _of_trainings(sd: float, n: int, meaning: str) -> Error:
    se = sd / n**0.5
    half = float(Estimate(0.0, se, n - 1).half_width())
    what = f"a standard deviation of {n} trainings"
    if not meaning.startswith("SD"):
        what = f"an interval over {n} trainings, taken for their standard deviation"
    said = f"the claim's ± is {what}, which is ±{half:.2f} for their mean (95 %)"
    return Error(CLAIM_Z * se, n, False, said)


def _worked_out(claim: Claim, scores: np.ndarray, queries: int) -> Error:
    """The error computed from the variance between our episodes, at the claim's numbers of episodes and queries."""
    assert claim.tasks is not None and claim.queries_per_class is not None
    between = float(anatomy.of_scores(scores / 100, queries).between) ** 0.5
    test = (claim.tasks, claim.about.ways * claim.queries_per_class)
    half = 100 * float(anatomy.half_width_of(float(scores.mean((-2, -1))) / 100, between, *test))
    episodes = f"{claim.tasks:,} episodes of {test[1]} quer{'ies' if test[1] > 1 else 'y'}"
    said = f"{_what(claim)}: for one training on {episodes}, the variance of our episodes gives ±{half:.2f}"
    return Error(half, scores.shape[1], True, said)


def _what(claim: Claim) -> str:
    if claim.ci95 is None:
        return "the claim has no interval"
    if claim.ci_meaning == OVER_TRAININGS:
        return "the claim has no interval (its ± is over an unknown number of trainings)"
    return "the claim has no interval (the meaning of its ± is unknown)"
