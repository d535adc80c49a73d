"""The reasons for a verdict or against any, and what would decide it, in words."""

from __future__ import annotations

from bench.analysis import claim_error
from bench.analysis.anatomy import Needed
from bench.analysis.claims import Claim
from bench.analysis.statistics import Estimate

# What was never published, so that no run can follow it: shown beside every verdict.
UNKNOWABLE = {
    "omniglot": "the claim's split of the characters is unknown",
    "mini-imagenet": "the claim's image resizer is unknown",
}
PROTOCOL_UNKNOWN = "the claim's protocol is unknown"
_FEW_MARGINS = 5  # if the claim's error is fewer margins than this, the verdict mentions it


def of_claim(claim: Claim) -> list[str]:
    """What a claim lacks, besides its protocol."""
    return [*claim_error.lacking(claim), *["the claim has no margin"] * (claim.margin is None)]


def unknown(names: frozenset[str]) -> list[str]:
    """That these settings of a claim are only assumed; empty if there are none."""
    return [f"the claim's {', '.join(sorted(names))} unknown (assumed here)"] if names else []


def would_decide(needed: Needed) -> str:
    """What would decide an inconclusive verdict, in words."""
    would = " or ".join(f"{count:,} {what}" for what, count in needed.items() if count is not None)
    would_not = " or ".join(what for what, count in needed.items() if count is None)
    if not would:
        return "the published ± is too wide to decide"
    rest = f"; more {would_not} alone would not" if would_not else ""
    return f"{would} would decide it, all else being equal{rest}"


def why(verdict: str, difference: Estimate, claim: Claim) -> str:
    """What the intervals of the difference say, in words."""
    assert claim.margin is not None
    ends90, ends95 = ("{:+.2f} to {:+.2f}".format(*difference.interval(level)) for level in (0.90, 0.95))
    margin = claim.margin
    return {
        "agrees": f"the 90 % interval of the difference, {ends90}, lies within ±{margin:g}{_in_errors(claim)}",
        "differs": f"the 95 % interval of the difference, {ends95}, excludes 0",
        "inconclusive": f"the 90 % interval of the difference, {ends90}, exceeds ±{margin:g}; the 95 % one contains 0",
    }[verdict]


def _in_errors(claim: Claim) -> str:
    """The margin in terms of the error rate, for claims near 100 %, where a point is a large part of the error."""
    error, margin = 100 - claim.accuracy, claim.margin or 0
    if not claim.about.measure.counted or error >= _FEW_MARGINS * margin:
        return ""
    return (
        f", which for an error of {error:.2f} % means one from {max(0.0, error - margin):.2f} to {error + margin:.2f} %"
    )
