"""The cost of a verdict on a published number on this machine: hours of training."""

from __future__ import annotations

from collections.abc import Sequence

from bench import provenance
from bench.analysis.claims import SEEDS, Claim
from bench.records.contents import Record
from bench.report import cost


def of_this_machine(records: Sequence[Record]) -> list[Record]:
    """The records that were trained on this machine."""
    if not records:
        return []
    here = provenance.describe()
    return [r for r in records if all(r.info["environment"].get(name) == here[name] for name in ("processor", "gpu"))]


def hours(claim: Claim, records: Sequence[Record]) -> str:
    """The hours of the trainings that a verdict needs, with `~` before an estimate from operation counts; empty if the
    claim's protocol or method is not known here."""
    seconds = cost.training_seconds(claim, records) if claim.protocol else None
    if seconds is not None:
        return f"{cost.in_hours(SEEDS * seconds)} h"
    estimate = cost.estimated_seconds(claim)
    return "" if estimate is None else f"~{cost.in_hours(SEEDS * estimate)} h"
