"""What a verdict on a published number would cost on this machine: hours of training, as an estimate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench import provenance
from bench.analysis.claims import SEEDS, Claim
from bench.networks.conv4 import network
from bench.protocols.benchmarks import Benchmark
from bench.protocols.presets import preset
from bench.protocols.protocol import INNER_LOOP, Training
from bench.records.contents import Record
from bench.records.record import read_all
from bench.report import cost
from methods import METHODS
from methods.contract import Method


def records_of_this_machine(results: Path) -> list[Record]:
    """The records of a folder that were trained here."""
    here, found = provenance.describe(), read_all(results)[0] if results.is_dir() else []
    return [r for r in found if all(r.info["environment"].get(name) == here[name] for name in ("processor", "gpu"))]


def told(claim: Claim, records: Sequence[Record]) -> str:
    """Hours of as many trainings as a verdict needs, with `~` before what no record of this machine tells; nothing
    where the claim's protocol or method is not here."""
    if not claim.protocol or claim.method not in METHODS:
        return ""
    seconds = cost.training_seconds(claim, records)
    if seconds is not None:
        return f"{_hours(SEEDS * seconds)} h"
    return f"~{_hours(SEEDS * _roughly(claim))} h"


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:,.0f}" if seconds >= 36_000 else f"{seconds / 3600:.1f}"


def _roughly(claim: Claim) -> float:
    """Seconds of one training on a CPU, by the operations of its network."""
    kind, training = METHODS[claim.method], preset(claim.protocol, claim.about).training
    kind = METHODS[kind.weights_of] if kind.weights_of else kind
    step = _step(kind, claim.about.with_shape(training.ways, training.shots), training)
    return step * (claim.iterations or training.iterations)


def _step(kind: type[Method], benchmark: Benchmark, training: Training) -> float:
    used = network(benchmark, training)
    support, query = benchmark.ways * benchmark.shots, benchmark.ways * training.queries
    if kind.training_batch == "images" and training.image_batch is not None:
        return used.meta_step_seconds(0, training.image_batch, "cpu") / training.meta_batch
    if kind.training_batch == "images" or not set(INNER_LOOP) & set(getattr(kind, "settings", INNER_LOOP)):
        return used.meta_step_seconds(0, support + query, "cpu")
    return used.meta_step_seconds(support, query, "cpu")
