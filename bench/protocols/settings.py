"""Settings by name: checks and applies the changes of `--set` and of experiments."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from functools import cache
from typing import Any

from bench.errors import UserError, unknown_name
from bench.protocols.protocol import NO_SETTINGS, OF_ELSEWHERE, Evaluation, Protocol, Training

_OF_TRAINING = frozenset(f.name for f in fields(Training))


def from_fields(part: type, values: Mapping[str, Any]) -> Any:
    """A part of a protocol with these fields, each validated. Raises UserError for an unknown field or a value out of
    range."""
    by_name = {f.name: f for f in fields(part)}
    for name in values:
        if name not in by_name:
            raise unknown_name("setting", name, by_name)
    return part(**{name: _validate(by_name[name], value, name) for name, value in values.items()})


def with_settings(protocol: Protocol, settings: Iterable[str]) -> Protocol:
    """The protocol with `name=value` changes. A plain name is a field of the training if it has one, otherwise of the
    evaluation; `evaluation.name` always is one of the evaluation. Raises UserError, with a suggestion."""
    for text in settings:
        part, name = _owner(_split(text)[0])
        protocol = replace(protocol, **{part: _change(getattr(protocol, part), name, text)})
    return protocol


def with_evaluation_settings(evaluation: Evaluation, settings: Iterable[str]) -> Evaluation:
    """The evaluation part with `name=value` changes. Raises UserError, with a suggestion."""
    for text in settings:
        name = _split(text)[0].removeprefix("evaluation.")
        if name in _OF_BENCHMARK:
            raise _of_benchmark(name)
        if name not in _names(Evaluation):
            raise unknown_name("setting of an evaluation", name, _names(Evaluation))
        evaluation = _change(evaluation, name, text)
    return evaluation


def settings_of(protocol: Protocol) -> dict[str, Any]:
    """All settings by their `--set` names; those of the evaluation have the prefix `evaluation.` if the training has a
    field with the same name."""
    training = {name: getattr(protocol.training, name) for name in _names(Training)}
    return training | {setting_of_evaluation(n): getattr(protocol.evaluation, n) for n in _names(Evaluation)}


def setting_of_evaluation(name: str) -> str:
    """The `--set` name of a field of the evaluation."""
    return f"evaluation.{name}" if name in _OF_TRAINING else name


def with_values(protocol: Protocol, values: Mapping[str, Any]) -> Protocol:
    """The protocol with these values, by the names of settings. Raises UserError for an unknown name."""
    for name, value in values.items():
        part, field_name = _owner(name)
        protocol = replace(protocol, **{part: replace(getattr(protocol, part), **{field_name: value})})
    return protocol


def takes_list(name: str) -> bool:
    """Whether the value of a setting is itself a list."""
    declared = [
        f for part in (Training, Evaluation) for f in fields(part) if f.name == name.removeprefix("evaluation.")
    ]
    return any(typing.get_origin(kind) is tuple for each in declared for kind in _kinds(each))


def check_can_be_tried(name: str) -> None:
    """Raises UserError if validation cannot choose between values of a setting, because it affects only the
    evaluation."""
    if _owner(name)[0] == "evaluation":
        raise UserError("validation cannot choose a setting of the evaluation from a list: give one value")


def differences(ours: Any, theirs: Any) -> dict[str, tuple[Any, Any]]:
    """Field name -> (ours, theirs), if they differ between two parts of the same kind."""
    of_theirs = vars(theirs)
    return {name: (value, of_theirs[name]) for name, value in vars(ours).items() if value != of_theirs[name]}


def _split(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name or not value:
        raise UserError(f"--set {text!r}: write name=value")
    return name, value


def _names(part: type) -> list[str]:
    """The fields that `--set` may change."""
    return [f.name for f in fields(part) if f.name not in ("meaning", *OF_ELSEWHERE, *NO_SETTINGS)]


_OF_BENCHMARK = ("ways", "shots")  # at test


def _of_benchmark(name: str) -> UserError:
    return UserError(f"{name} at test come from the benchmark: use `evaluate RUN --benchmark B`, such as omniglot-5w5s")


def _owner(name: str) -> tuple[str, str]:
    prefix, _dot, rest = name.rpartition(".")
    if name in _names(Training):
        return "training", name
    if rest in _names(Evaluation) and prefix in ("", "evaluation"):
        return "evaluation", rest
    if prefix and rest in _OF_BENCHMARK:
        raise _of_benchmark(rest)
    raise unknown_name("setting", name, {*_names(Training), *(f"evaluation.{n}" for n in _names(Evaluation))})


def _change(part: Any, name: str, change: str) -> Any:
    declared = next(f for f in fields(part) if f.name == name)
    return replace(part, **{name: _validate(declared, _parse(declared, change), _split(change)[0])})


def _parse(declared: Any, change: str) -> Any:
    (called, text), kinds = _split(change), _kinds(declared)
    if text.lower() == "none" and type(None) in kinds:
        return None
    try:
        if kinds[0] is bool:
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text.lower()]
        if typing.get_origin(kinds[0]) is tuple:
            return tuple(float(item) for item in text.split(","))
        return kinds[0](text)
    except (ValueError, KeyError):
        raise UserError(f"{called}={text}: not {_describe(declared)}") from None


@cache  # called for every field of every record of a report
def _kinds(declared: Any) -> tuple[Any, ...]:
    owner = Training if declared in fields(Training) else Evaluation
    hint = typing.get_type_hints(owner)[declared.name]
    return typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)


def _validate(declared: Any, value: Any, called: str) -> Any:
    kinds = _kinds(declared)
    if isinstance(value, list):
        value = tuple(value)
    if float in kinds and type(value) is int:
        value = float(value)
    if not _acceptable(declared, kinds, value):
        raise UserError(f"{called}={value}: not {_describe(declared)}")
    return value


def _acceptable(declared: Any, kinds: tuple[Any, ...], value: Any) -> bool:
    if value is None:
        return type(None) in kinds
    if type(value) is tuple:
        listed = typing.get_origin(kinds[0]) is tuple and len(value) > 0
        return listed and all(type(v) is float and 0 < v < float("inf") for v in value)
    rules = declared.metadata
    return (
        type(value) is kinds[0]
        and (not rules["choices"] or value in rules["choices"])
        and (rules["least"] is None or value >= rules["least"])
        and (kinds[0] is not int or value <= rules["most"])
        and (rules["above"] is None or rules["above"] < value)
        and (kinds[0] is not float or value < rules["below"])
    )


def _describe(declared: Any) -> str:
    rules, kinds = declared.metadata, _kinds(declared)
    names = {int: "a whole number", float: "a number", bool: "true or false"}
    *others, last = rules["choices"] or (names.get(kinds[0], "a list of positive numbers such as 0.1,0.01"),)
    text = f"{', '.join(others)} or {last}" if others else last
    if rules["least"] is not None:
        text += f" of at least {rules['least']}"
    if rules["below"] < float("inf"):
        text += f" below {rules['below']}"
    if kinds[0] is int:
        text += f", at most {rules['most']}"
    if rules["above"] is not None:
        text += f" above {rules['above']}"
    return text + (" or none" if type(None) in kinds else "")


def with_training_settings(training: Training, settings: Iterable[str]) -> Training:
    """The training part with `name=value` changes to any of its fields, including those that describe weights. Raises
    UserError."""
    for text in settings:
        training = _change(training, _split(text)[0], text)
    return training


def names_of_evaluation() -> list[str]:
    """The fields of an evaluation that `--set` may change."""
    return _names(Evaluation)
