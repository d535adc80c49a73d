"""Protocols by their values: which preset a run follows, and what differs from it."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import Any

from bench.protocols.benchmarks import Benchmark
from bench.protocols.presets import names, preset
from bench.protocols.protocol import NO_SETTINGS, OF_SOME_METHODS, Evaluation, Protocol, Training
from bench.protocols.settings import differences, setting_of_evaluation

Used = Collection[str]  # of the settings that not every method uses, those that one does
# What moves the choice of the best weights, but not the last ones: no part of what is compared (`weights` is).
VALIDATION = frozenset({"validations", "validation_episodes", "validation_shape"})
_APART = VALIDATION | frozenset(NO_SETTINGS)  # no setting: said in words
MEANINGS = frozenset({"meaning", "evaluation.meaning"})  # no setting either: what scores of shipped methods do not show


def described(benchmark: Benchmark, used: Used, protocol: Protocol) -> str:
    """The nearest preset and the fields that differ from it: `paper, iterations=2000`."""
    nearest = nearest_preset(benchmark, protocol.training)
    return _written(nearest, protocol_differences(used, protocol, preset(nearest, benchmark, used)))


def described_training(benchmark: Benchmark, training: Training) -> str:
    """The name of the training part alone, so that a run is called by one preset, however it is evaluated."""
    nearest = nearest_preset(benchmark, training)
    return _written(nearest, training_differences(training, preset(nearest, benchmark).training))


@lru_cache(4096)  # asked for by every row and every line of a report
def nearest_preset(benchmark: Benchmark, training: Training) -> str:
    """The preset whose training differs in the fewest fields; the first of equals."""
    return min(names(benchmark), key=lambda name: len(training_differences(training, preset(name, benchmark).training)))


def _written(nearest: str, found: dict[str, tuple[Any, Any]]) -> str:
    changed = [f"{field}={written(ours)}" for field, (ours, _) in found.items() if field not in MEANINGS]
    return ", ".join([nearest, *changed, *(["queries by class"] if MEANINGS & found.keys() else [])])


def protocol_differences(used: Used, ours: Protocol, theirs: Protocol) -> dict[str, tuple[Any, Any]]:
    """Setting, as `--set` names it -> (ours, theirs), wherever they differ and the method uses the setting."""
    training = _used(used, training_differences(ours.training, theirs.training))
    evaluation = evaluation_differences(used, ours.evaluation, theirs.evaluation)
    return training | {setting_of_evaluation(k): v for k, v in evaluation.items()}


def training_differences(ours: Training, theirs: Training) -> dict[str, tuple[Any, Any]]:
    """Field -> (ours, theirs), but for when validation happens, and for where the weights come from."""
    return {k: v for k, v in differences(ours, theirs).items() if k not in _APART}


def evaluation_differences(used: Used, ours: Evaluation, theirs: Evaluation) -> dict[str, tuple[Any, Any]]:
    """Field -> (ours, theirs), wherever they differ and the method uses the setting."""
    return _used(used, differences(ours, theirs))


def _used(used: Used, found: dict[str, tuple[Any, Any]]) -> dict[str, tuple[Any, Any]]:
    return {k: v for k, v in found.items() if k in used or k not in OF_SOME_METHODS}


def written(value: Any) -> str:
    """A value as `--set` takes it, rounded to what tells values apart."""
    if isinstance(value, tuple):
        return ",".join(map(written, value))
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)
