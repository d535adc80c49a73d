"""Protocols by their values: which preset a run follows, and what differs from it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from bench.protocols.benchmarks import Benchmark
from bench.protocols.presets import names, preset
from bench.protocols.protocol import NO_SETTINGS, Evaluation, Protocol, Training
from bench.protocols.settings import differences, setting_of_evaluation

# What moves the choice of the best weights, but not the last ones: no part of what is compared (`weights` is).
VALIDATION = frozenset({"validations", "validation_episodes"})
_APART = VALIDATION | frozenset(NO_SETTINGS)  # no setting: said in words
_FINETUNING = frozenset(field.name for field in fields(Evaluation) if field.name.startswith("finetune_")) | {"adapt"}
_FINETUNED = ("finetune", "pretrained", "oracle")
_INNER_LOOP = frozenset({"inner_lr", "inner_steps"})  # of training, and the second of an evaluation too
_WITHOUT_INNER_LOOP = (*_FINETUNED, "nearest", "protonet")


def described(benchmark: Benchmark, method: str, protocol: Protocol) -> str:
    """The nearest preset and the fields that differ from it: `paper, iterations=2000`."""
    nearest = nearest_preset(benchmark, protocol.training)
    return _written(nearest, protocol_differences(method, protocol, preset(nearest, benchmark)))


def described_training(benchmark: Benchmark, training: Training) -> str:
    """The same, of the training part alone: so that a run is called by one preset, however it is evaluated."""
    nearest = nearest_preset(benchmark, training)
    return _written(nearest, training_differences(training, preset(nearest, benchmark).training))


def nearest_preset(benchmark: Benchmark, training: Training) -> str:
    """The preset whose training differs in the fewest fields; the first of equals."""
    return min(names(benchmark), key=lambda name: len(training_differences(training, preset(name, benchmark).training)))


def _written(nearest: str, found: dict[str, tuple[Any, Any]]) -> str:
    return ", ".join([nearest, *(f"{field}={written(ours)}" for field, (ours, _) in found.items())])


def protocol_differences(method: str, ours: Protocol, theirs: Protocol) -> dict[str, tuple[Any, Any]]:
    """Setting, as `--set` names it -> (ours, theirs), wherever they differ and the method uses the setting."""
    training = training_differences(ours.training, theirs.training)
    evaluation = evaluation_differences(method, ours.evaluation, theirs.evaluation)
    return {
        **{k: v for k, v in training.items() if k not in _unused(method)},
        **{setting_of_evaluation(k): v for k, v in evaluation.items()},
    }


def training_differences(ours: Training, theirs: Training) -> dict[str, tuple[Any, Any]]:
    """Field -> (ours, theirs), but for when validation happens, and for where the weights come from."""
    return {k: v for k, v in differences(ours, theirs).items() if k not in _APART}


def evaluation_differences(method: str, ours: Evaluation, theirs: Evaluation) -> dict[str, tuple[Any, Any]]:
    """Field -> (ours, theirs); the settings of fine-tuning, and of an inner loop, concern the methods that have it."""
    return {k: v for k, v in differences(ours, theirs).items() if k not in _unused(method)}


def _unused(method: str) -> frozenset[str]:
    tuning = frozenset() if method in _FINETUNED else _FINETUNING
    return tuning | (_INNER_LOOP if method in _WITHOUT_INNER_LOOP else frozenset())


def written(value: Any) -> str:
    """A value as `--set` takes it, rounded to what tells values apart."""
    if isinstance(value, tuple):
        return ",".join(map(written, value))
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)
