"""What several commands say."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.records import Evaluated


def score(found: Evaluated) -> str:
    """The mean score of an evaluation, and what of."""
    return (
        f"{100 * found.final.mean():.2f} % on {len(found.final)} test episodes "
        f"after {found.iteration} iterations, inner step {found.step}"
    )
