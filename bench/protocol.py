"""A protocol: every setting that can move the number, as two frozen parts, each hashed by its values.

`Training` keys a run (with benchmark, method, seed and data); `Evaluation` keys one of the run's evaluations. What
only changes how a step is executed (device, chunk, threads) is no part of it.
"""

from __future__ import annotations

import hashlib
import json
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any

from bench.errors import UserError, unknown

NO_SETTINGS = ("origin", "code")  # fields that tell trainings apart, and that nobody sets


def _setting(
    default: Any,
    help: str,
    *,
    choices: tuple = (),
    least: float | None = None,
    above: float | None = None,
    later: bool = False,
) -> Any:
    """`later`: the field came after there were records. Its default is what they did, and is left out of the hash, so
    that they keep their keys."""
    rules = {"help": help, "choices": choices, "least": least, "above": above, "later": later}
    return field(default=default, metadata=rules)


PRECISIONS = ("fp32", "tf32", "bf16")
_PRECISION = "of the products of convolutions and head; all else is fp32"


@dataclass(frozen=True)
class Training:
    """Everything that moves the trained weights. The defaults are no protocol: `bench.presets` gives those."""

    iterations: int = _setting(60_000, "meta-steps", least=1)
    meta_batch: int = _setting(4, "episodes per meta-step", least=1)
    meta_update: str = _setting("meta-batch", "one optimiser step per ...", choices=("meta-batch", "episode"))
    meta_lr: float = _setting(1e-3, "learning rate of Adam", above=0)
    clip: float | None = _setting(None, "element-wise bound on the gradient of the mean loss, or none", above=0)
    queries: int = _setting(15, "query images per class", least=1)
    inner_lr: float = _setting(0.05, "multiplies the gradient of the mean support loss", above=0)
    inner_steps: int = _setting(5, "inner steps in training", least=1)
    filters: int = _setting(32, "filters of each convolution, or units of each hidden layer", least=1)
    downsampling: str = _setting("max-pool", "after each convolution", choices=("max-pool", "stride"))
    head_input: str = _setting("flatten", "what the linear head sees of the features", choices=("flatten", "mean"))
    initialisation: str = _setting(
        "glorot", "of all layers", choices=("glorot", "glorot-normal-head", "pytorch", "truncated-normal")
    )
    batch_norm_scale: bool = _setting(False, "batch norm has gamma beside beta")
    batch_norm_adapted: bool = _setting(False, "the inner loop changes batch norm's parameters")
    batch_norm_epsilon: float = _setting(1e-3, "added to the variance", above=0)
    batch_statistics: str = _setting("batch", "that normalise the queries", choices=("batch", "support"))
    resize: str = _setting("nearest", "of Omniglot's 105 x 105 drawings", choices=("nearest", "lanczos"))
    image_batch: int | None = _setting(
        None, "images per step of an image classifier, or none: those of the episodes", least=1
    )
    validations: int = _setting(20, "times that validation happens in a run", least=1)
    validation_episodes: int = _setting(100, "episodes of one validation", least=1)
    precision: str = _setting("fp32", _PRECISION, choices=PRECISIONS)
    meaning: int = _setting(1, "raised when the meaning of the code changes", least=1)
    origin: str | None = _setting(
        None, "digits of the files whose weights were trained elsewhere, or none: trained here", later=True
    )
    code: str | None = _setting(None, "digits of the file that holds the method, or none: it ships", later=True)


@dataclass(frozen=True)
class Evaluation:
    """Everything that moves the scores of given weights."""

    episodes: int = _setting(600, "test episodes", least=2)
    queries: int = _setting(15, "query images per class", least=1)
    inner_steps: int = _setting(10, "inner steps at test", least=0)
    batch_statistics: str = _setting("batch", "that normalise the queries", choices=("batch", "support", "running"))
    weights: str = _setting("last", "iteration that is evaluated", choices=("last", "best"))
    adapt: str = _setting("all", "what fine-tuning changes", choices=("all", "head"))
    finetune_steps: int = _setting(15, "the most steps that fine-tuning may take", least=0)
    finetune_lrs: tuple[float, ...] = _setting((0.5, 0.1, 0.02, 0.004), "rates that fine-tuning chooses from")
    finetune_episodes: int = _setting(50, "validation episodes on which it chooses", least=1)
    precision: str = _setting("fp32", _PRECISION, choices=PRECISIONS, later=True)
    meaning: int = _setting(1, "raised when the meaning of the code changes", least=1)


@dataclass(frozen=True)
class Protocol:
    """A training part and an evaluation part."""

    training: Training
    evaluation: Evaluation


def digest(*values: Any) -> str:
    """Eight hexadecimal digits of the SHA-256 of the values, written as canonical JSON."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def training_hash(training: Training, data_digest: str) -> str:
    """What a run is keyed by, beside its benchmark, method and seed."""
    return digest(_hashed(training), data_digest)


def evaluation_hash(evaluation: Evaluation) -> str:
    """What an evaluation of a run is keyed by, beside the iteration."""
    return digest(_hashed(evaluation))


def _hashed(part: Any) -> dict[str, Any]:
    """The fields that count: all, but for later ones that say what was done before they came."""
    left_out = {f.name for f in fields(part) if f.metadata["later"] and getattr(part, f.name) == f.default}
    return {name: value for name, value in vars(part).items() if name not in left_out}


def from_fields(part: type, values: Mapping[str, Any]) -> Any:
    """The part with these fields, each validated. Raises UserError on an unknown field or a value out of range."""
    by_name = {f.name: f for f in fields(part)}
    for name in values:
        if name not in by_name:
            raise unknown("setting", name, by_name)
    return part(**{name: _validated(by_name[name], value) for name, value in values.items()})


def with_settings(protocol: Protocol, settings: Iterable[str]) -> Protocol:
    """The protocol with `name=value` changes. A bare name is a field of the training if it has one, else of the
    evaluation; `evaluation.name` is always the latter's. Raises UserError, with a suggestion."""
    for text in settings:
        name, value = _split(text)
        part, name = _owner(name)
        old = getattr(protocol, part)
        protocol = replace(protocol, **{part: _changed(old, name, value)})
    return protocol


def with_evaluation_settings(evaluation: Evaluation, settings: Iterable[str]) -> Evaluation:
    """The evaluation part with `name=value` changes. Raises UserError, with a suggestion."""
    for text in settings:
        name, value = _split(text)
        name = name.removeprefix("evaluation.")
        if name not in _names(Evaluation):
            raise unknown("setting of an evaluation", name, _names(Evaluation))
        evaluation = _changed(evaluation, name, value)
    return evaluation


def settings_of(protocol: Protocol) -> dict[str, Any]:
    """Every field that `--set` can name, by that name: `evaluation.` stands where the training has one alike."""
    training = {name: getattr(protocol.training, name) for name in _names(Training)}
    return training | {setting_of_evaluation(n): getattr(protocol.evaluation, n) for n in _names(Evaluation)}


def setting_of_evaluation(name: str) -> str:
    """The name by which a field of the evaluation is set."""
    return f"evaluation.{name}" if name in (f.name for f in fields(Training)) else name


def with_values(protocol: Protocol, values: Mapping[str, Any]) -> Protocol:
    """The protocol with these values by their settings' names. Raises UserError on an unknown name."""
    for name, value in values.items():
        part, field_name = _owner(name)
        protocol = replace(protocol, **{part: replace(getattr(protocol, part), **{field_name: value})})
    return protocol


def differences(ours: Any, theirs: Any) -> dict[str, tuple[Any, Any]]:
    """Field name -> (ours, theirs) wherever two parts of one kind differ."""
    pairs = {f.name: (getattr(ours, f.name), getattr(theirs, f.name)) for f in fields(ours)}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _split(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name or not value:
        raise UserError(f"--set {text!r}: write it as name=value")
    return name, value


def _names(part: type) -> list[str]:
    """The fields that `--set` may change."""
    return [f.name for f in fields(part) if f.name not in ("meaning", *NO_SETTINGS)]


def _owner(name: str) -> tuple[str, str]:
    prefix, _dot, rest = name.rpartition(".")
    if name in _names(Training):
        return "training", name
    if rest in _names(Evaluation) and prefix in ("", "evaluation"):
        return "evaluation", rest
    raise unknown("setting", name, {*_names(Training), *(f"evaluation.{n}" for n in _names(Evaluation))})


def _changed(part: Any, name: str, text: str) -> Any:
    declared = next(f for f in fields(part) if f.name == name)
    return replace(part, **{name: _validated(declared, _parsed(declared, text))})


def _parsed(declared: Any, text: str) -> Any:
    kinds = _kinds(declared)
    if text.lower() == "none" and type(None) in kinds:
        return None
    try:
        if kinds[0] is bool:
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text.lower()]
        if typing.get_origin(kinds[0]) is tuple:
            return tuple(float(item) for item in text.split(","))
        return kinds[0](text)
    except (ValueError, KeyError):
        raise UserError(f"{declared.name}={text}: not {_described(declared)}") from None


def _kinds(declared: Any) -> tuple[Any, ...]:
    hint = _hint(declared)
    return typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)


@cache
def _hint(declared: Any) -> Any:
    owner = Training if declared in fields(Training) else Evaluation
    return typing.get_type_hints(owner)[declared.name]


def _validated(declared: Any, value: Any) -> Any:
    kinds = _kinds(declared)
    if isinstance(value, list):
        value = tuple(value)
    if float in kinds and type(value) is int:
        value = float(value)
    if not _acceptable(declared, kinds, value):
        raise UserError(f"{declared.name}={value}: not {_described(declared)}")
    return value


def _acceptable(declared: Any, kinds: tuple[Any, ...], value: Any) -> bool:
    if value is None:
        return type(None) in kinds
    if typing.get_origin(kinds[0]) is tuple:
        return type(value) is tuple and len(value) > 0 and all(type(v) is float and 0 < v < float("inf") for v in value)
    rules = declared.metadata
    return (
        type(value) is kinds[0]
        and (not rules["choices"] or value in rules["choices"])
        and (rules["least"] is None or value >= rules["least"])
        and (rules["above"] is None or rules["above"] < value < float("inf"))
    )


def _described(declared: Any) -> str:
    rules, kinds = declared.metadata, _kinds(declared)
    names = {int: "a whole number", float: "a number", bool: "true or false"}
    text = " or ".join(rules["choices"]) or names.get(kinds[0], "a list of positive numbers such as 0.1,0.01")
    if rules["least"] is not None:
        text += f" of at least {rules['least']}"
    if rules["above"] is not None:
        text += f" above {rules['above']}"
    return text + (" or none" if type(None) in kinds else "")
