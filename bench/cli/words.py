"""What several commands say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.measures import MEASURES

if TYPE_CHECKING:
    from bench.records import Evaluated


def score(found: Evaluated) -> str:
    """The mean score of an evaluation, and what of."""
    measure = MEASURES[found.info["score"]]
    return (
        f"{measure.written(found.final.mean())} on {len(found.final)} test episodes "
        f"after {found.iteration} iterations, inner step {found.step}"
    )
