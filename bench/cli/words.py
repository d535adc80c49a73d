"""What several commands say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.measures import MEASURES

if TYPE_CHECKING:
    from bench.records import Evaluated


def score(found: Evaluated) -> str:
    """The mean score of an evaluation, and what of; where it has none, why."""
    measure, final = MEASURES[found.info["score"]], found.final
    mean = f"{measure.written(final.mean())} on {len(final)} test episodes"
    if found.lost:
        mean = f"no mean: outputs are not finite in {found.lost} of {len(final)} test episodes"
    return f"{mean} after {found.iteration} iterations, inner step {found.step}"
