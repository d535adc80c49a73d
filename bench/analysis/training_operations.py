"""Operations per iteration of the trainings behind published numbers, read without torch from
`training_operations.csv`, which `bench.tools.count_operations` writes."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

from bench.analysis.claims import Claim

COLUMNS = ("benchmark", "method", "protocol", "operations_an_iteration")
COUNTED = Path(__file__).with_name("training_operations.csv")


def key(claim: Claim) -> tuple[str, str, str]:
    """What identifies the iterations of a training."""
    return claim.benchmark, claim.method, claim.protocol


def an_iteration(claim: Claim) -> int | None:
    """Floating-point operations of one iteration. Returns None if they have not been counted."""
    return _operation_counts().get(key(claim))


@cache
def _operation_counts() -> dict[tuple[str, str, str], int]:
    with open(COUNTED, newline="", encoding="utf-8") as file:
        return {
            (benchmark, method, protocol): int(found)
            for benchmark, method, protocol, found in list(csv.reader(file))[1:]
        }
