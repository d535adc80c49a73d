"""Protocols by their values: which preset a run follows, and what differs from it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from bench.benchmarks import Benchmark
from bench.presets import names, preset
from bench.protocol import NO_SETTINGS, Evaluation, Protocol, Training, differences, setting_of_evaluation

# What moves the choice of the best weights, but not the last ones: no part of what is compared (`weights` is).
_VALIDATION = frozenset({"validations", "validation_episodes"})
_APART = _VALIDATION | frozenset(NO_SETTINGS)  # no setting: said in words
_FINETUNING = frozenset(field.name for field in fields(Evaluation) if field.name.startswith("finetune_")) | {"adapt"}
_FINETUNED = ("finetune", "pretrained", "oracle")


def described(benchmark: Benchmark, method: str, protocol: Protocol) -> str:
    """The nearest preset and the fields that differ from it: `paper, iterations=2000`."""
    return _nearest(_by_preset(benchmark, method, protocol))


def nearest_preset(benchmark: Benchmark, method: str, protocol: Protocol) -> str:
    """The preset that differs in the fewest fields; the first of equals."""
    found = _by_preset(benchmark, method, protocol)
    return min(found, key=lambda name: len(found[name]))


def _by_preset(benchmark: Benchmark, method: str, protocol: Protocol) -> dict[str, dict[str, tuple[Any, Any]]]:
    return {name: protocol_differences(method, protocol, preset(name, benchmark)) for name in names(benchmark)}


def described_training(benchmark: Benchmark, training: Training) -> str:
    """The same, of the training part alone."""
    return _nearest(
        {name: training_differences(training, preset(name, benchmark).training) for name in names(benchmark)}
    )


def _nearest(found: dict[str, dict[str, tuple[Any, Any]]]) -> str:
    nearest = min(found, key=lambda name: len(found[name]))
    return ", ".join([nearest, *(f"{field}={written(ours)}" for field, (ours, _) in found[nearest].items())])


def protocol_differences(method: str, ours: Protocol, theirs: Protocol) -> dict[str, tuple[Any, Any]]:
    """Setting, as `--set` names it -> (ours, theirs), wherever they differ and the method uses the setting."""
    evaluation = evaluation_differences(method, ours.evaluation, theirs.evaluation)
    return {
        **training_differences(ours.training, theirs.training),
        **{setting_of_evaluation(k): v for k, v in evaluation.items()},
    }


def training_differences(ours: Training, theirs: Training) -> dict[str, tuple[Any, Any]]:
    """Field -> (ours, theirs), but for when validation happens, and for where the weights come from."""
    return {k: v for k, v in differences(ours, theirs).items() if k not in _APART}


def evaluation_differences(method: str, ours: Evaluation, theirs: Evaluation) -> dict[str, tuple[Any, Any]]:
    """Field -> (ours, theirs); the settings of fine-tuning concern the methods that do it."""
    found = differences(ours, theirs)
    return found if method in _FINETUNED else {k: v for k, v in found.items() if k not in _FINETUNING}


def written(value: Any) -> str:
    """A value as `--set` takes it, rounded to what tells values apart."""
    if isinstance(value, tuple):
        return ",".join(map(written, value))
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)
