"""What can never run: a method under settings, or on data, that it is not made for."""

from __future__ import annotations

from collections.abc import Sequence

from bench.errors import UserError
from bench.protocols.benchmarks import Benchmark
from bench.protocols.protocol import BATCH, SUPPORT, WITH_VALIDATION, Protocol, Training
from methods.contract import NEEDS, Method


def check_method(kind: type[Method], name: str, protocol: Protocol) -> None:
    """Raises UserError where a method cannot do what the protocol asks for."""
    mode = protocol.evaluation.batch_statistics
    if mode not in kind.batch_statistics:
        able = " or ".join(kind.batch_statistics)
        raise UserError(f"{name} cannot be evaluated with batch_statistics={mode}: it has {able}")
    trained: tuple[str, ...] = getattr(kind, "training_statistics", (BATCH, SUPPORT))
    if kind.training_batch == "episodes" and (mode := protocol.training.batch_statistics) not in trained:
        raise UserError(f"{name} cannot be trained with batch_statistics={mode}: it has {' or '.join(trained)}")


def check_data(kind: type[Method], name: str, benchmark: Benchmark, training: Training, lacking: Sequence[str]) -> None:
    """Raises UserError where a method cannot learn from the benchmark, or where its training needs splits that the data
    are `lacking`."""
    if kind.needs is not None and kind.needs not in benchmark.offers:
        raise UserError(f"{name} needs {NEEDS[kind.needs]}, and {benchmark.name} has none")
    if training.classes == WITH_VALIDATION and "classes" not in benchmark.offers:
        raise UserError(f"classes={WITH_VALIDATION}: {benchmark.name} has no classes")
    if training.validations and lacking:
        raise UserError(
            f"{benchmark.name}: the data here have no {' and no '.join(lacking)} classes: `--set "
            "validations=0` trains on the others alone, and `evaluate RUN` tests where all are"
        )


def check_choice(name: str, training: Training, candidates: int) -> None:
    """Raises UserError where the classes of validation are trained on, and something is to be chosen on them."""
    if training.validations or candidates > 1:
        mend = "validations=0" if training.validations else f"classes=train, which leaves {name} some to choose on"
        raise UserError(f"classes={WITH_VALIDATION} leaves none to validate on: --set {mend}")
