"""Refuses methods under settings, or on data, that they do not support."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields

from bench.errors import UserError
from bench.protocols.benchmarks import Benchmark
from bench.protocols.protocol import BATCH, SUPPORT, WITH_VALIDATION, Protocol, Training
from methods.contract import NEEDS, Method

_INSIDE = ("inner_optimiser", "inner_batch")  # settings of inner loops other than plain gradient descent


def check_method(kind: type[Method], name: str, used: Collection[str], protocol: Protocol) -> None:
    """Raises UserError if a method, which uses these settings, cannot do what the protocol asks for."""
    training, mode = protocol.training, protocol.evaluation.batch_statistics
    if mode not in kind.batch_statistics:
        able = " or ".join(kind.batch_statistics)
        raise UserError(f"{name} cannot be evaluated with batch_statistics={mode}: use {able}")
    for each in (f for f in fields(training) if f.name in _INSIDE and f.name not in used):
        if (asked := getattr(training, each.name)) != each.default:
            usual = "none" if each.default is None else each.default
            raise UserError(f"{name} does not use {each.name}={asked}: --set {each.name}={usual}")
    has_moments = training.inner_optimiser == "adam" and training.inner_batch is not None
    if "inner_loss" in used and protocol.evaluation.inner_loss == "sum" and not has_moments:
        raise UserError(
            "inner_loss=sum is for an Adam whose moments are of training's minibatches: --set inner_loss=mean, or "
            "inner_optimiser=adam with an inner_batch in training"
        )
    in_minibatches = training.inner_batch is not None and "inner_batch" in used
    if training.queries == 0 and kind.training_batch == "episodes" and not in_minibatches:
        raise UserError(f"queries=0: {name} learns from queries: --set queries=1, or more")
    trained: tuple[str, ...] = getattr(kind, "training_statistics", (BATCH, SUPPORT))
    if kind.training_batch == "episodes" and (mode := training.batch_statistics) not in trained:
        raise UserError(f"{name} cannot be trained with batch_statistics={mode}: use {' or '.join(trained)}")


def check_data(kind: type[Method], name: str, benchmark: Benchmark, training: Training, lacking: Sequence[str]) -> None:
    """Raises UserError if a method cannot learn from the benchmark, or if its training needs splits that the data are
    `lacking`."""
    if kind.needs is not None and kind.needs not in benchmark.offers:
        raise UserError(f"{name} needs {NEEDS[kind.needs]}, which {benchmark.name} does not have")
    if training.classes == WITH_VALIDATION and "classes" not in benchmark.offers:
        raise UserError(f"classes={WITH_VALIDATION}: {benchmark.name} has no classes")
    if training.validations and lacking:
        raise UserError(
            f"{benchmark.name}: the data here have no {' and no '.join(lacking)} classes: `--set "
            "validations=0` trains without them, and `evaluate RUN` tests on a machine that has all"
        )


def check_choice(name: str, training: Training, candidates: int) -> None:
    """Raises UserError if validation classes are trained on although something is to be chosen on them."""
    if training.validations or candidates > 1:
        mend = (
            "validations=0"
            if training.validations
            else f"classes=train, so that {name} can choose its settings on validation classes"
        )
        raise UserError(
            f"classes={WITH_VALIDATION} trains on the validation classes, so nothing can be validated: --set {mend}"
        )
