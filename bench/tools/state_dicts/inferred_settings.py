"""Finds the network that weights belong to, from their shapes, from what is known about their layout, and from the
user's settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.errors import UserError, unknown_name
from bench.networks.conv4 import conv4
from bench.protocols.benchmarks import Benchmark
from bench.protocols.protocol import Training
from bench.protocols.settings import names_of_evaluation, with_training_settings
from bench.tools.state_dicts.layouts import Layout
from bench.tools.state_dicts.matching import BLOCKS, shape_text

# Training settings that a user may give for weights, besides those of the evaluation.
TOLD = (
    *("inner_lr", "batch_norm_adapted", "batch_norm_epsilon", "downsampling", "head_input", "blocks", "inputs"),
    *("resize", "iterations"),
)
_EPSILON = 1e-5  # torch's default, which no layout changes
_MOST_FILTERS = 1024
_CHOICES = {"downsampling": ("max-pool", "stride"), "head_input": ("flatten", "mean")}
SHAPED = tuple(_CHOICES)


def training_settings(settings: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """The training settings that `--set` gives, and the rest, which belongs to the evaluation. Raises UserError."""
    split = [(text.partition("=")[0], text) for text in settings]
    of_training = [text for name, text in split if name in TOLD]
    changed = with_training_settings(Training(), of_training)
    found = {text.partition("=")[0]: getattr(changed, text.partition("=")[0]) for text in of_training}
    rest = [text for name, text in split if name not in TOLD]
    for name, _ in split:
        plain = name.removeprefix("evaluation.")
        if name not in TOLD and plain not in names_of_evaluation():
            raise unknown_name("setting of weights from elsewhere", name, [*TOLD, *names_of_evaluation()])
    return found, rest


def training(
    path: Path,
    tensors: Mapping[str, Tensor],
    layout: Layout,
    benchmark: Benchmark,
    base: Training,
    said: Mapping[str, Any],
) -> Training:
    """The training settings `base`, with the network that these weights (by our names) belong to, and with what the
    layout and the user specify; a head may have any number of outputs. Raises UserError if no network fits, or several
    do."""
    known = layout.training(benchmark.input_shape[0]) | dict(said)
    if not 0 < len(tensors["conv1.weight"]) <= _MOST_FILTERS:
        raise UserError(f"{path}: {len(tensors['conv1.weight'])} filters: this network can have 1 to {_MOST_FILTERS}")
    base = replace(
        base,
        filters=len(tensors["conv1.weight"]),
        batch_norm_scale=any(name.endswith(".scale") for name in tensors),
        **{"batch_norm_epsilon": _EPSILON} | {k: v for k, v in known.items() if k not in ("blocks", *SHAPED)},
    )
    fits = [made for made in _networks(benchmark, base, known) if _fits(made, tensors, benchmark)]
    if not fits:
        raise UserError(f"{path}: {_shapes(tensors, benchmark, base, known)}")
    if len(fits) > 1:
        ways = " or ".join(f"`--set downsampling={m.downsampling} --set head_input={m.head_input}`" for m in fits)
        raise UserError(f"{path}: several networks have these shapes: say which it is, with {ways}")
    return fits[0]


def _networks(benchmark: Benchmark, base: Training, known: Mapping[str, Any]) -> Iterator[Training]:
    """The possible networks, no two of which are the same function."""
    options = [[known[name]] if name in known else _CHOICES[name] for name in _CHOICES]
    for downsampling, head_input in product(*options):
        blocks = known["blocks"]
        if blocks == "padded" and downsampling == "max-pool":
            blocks = "paper"  # without strides, TensorFlow pads like PyTorch
        made = replace(base, blocks=blocks, downsampling=downsampling, head_input=head_input)
        flat = conv4(benchmark, replace(made, head_input="flatten")).feature_count
        alike = flat == made.filters and head_input == "mean" and "head_input" not in known  # the mean of one position
        if flat > 0 and not alike:
            yield made


def _fits(made: Training, tensors: Mapping[str, Tensor], benchmark: Benchmark) -> bool:
    wanted = _wanted_parameters(made, benchmark)
    head = tensors.get("head.weight")
    if head is not None and head.shape[1:] != wanted["head.weight"].shape[1:]:
        return False
    if head is None and made.head_input == "mean":  # methods without a head compare unaveraged features
        return False
    body = {name: tensor for name, tensor in tensors.items() if not name.startswith("head")}
    return all(tensor.shape == _like(name, wanted).shape for name, tensor in body.items())


def _wanted_parameters(made: Training, benchmark: Benchmark) -> dict[str, Tensor]:
    return conv4(benchmark, made).init(torch.Generator(), benchmark.ways)


def _like(name: str, wanted: Mapping[str, Tensor]) -> Tensor:
    """A tensor with the shape expected under this name; running statistics have the shape of the shift."""
    layer, _, part = name.partition(".")
    return wanted[f"{layer}.shift" if part in ("mean", "variance") else name]


def _shapes(tensors: Mapping[str, Tensor], benchmark: Benchmark, base: Training, known: Mapping[str, Any]) -> str:
    """Both lists of shapes, on one line."""
    names = [f"conv{k}.weight" for k in BLOCKS] + [f"norm{k}.shift" for k in BLOCKS] + ["head.weight"]
    theirs = " ".join(shape_text(tuple(tensors[name].shape)) for name in names if name in tensors)
    networks = list(_networks(benchmark, base, known))
    ours = [
        f"{' '.join(shape_text(tuple(_wanted_parameters(made, benchmark)[name].shape)) for name in names)} "
        f"({made.downsampling}, {made.head_input})"
        for made in networks
    ]
    wanted = " or ".join(ours) or f"{benchmark.input_shape[1]}x{benchmark.input_shape[1]} images, too small for it,"
    return f"does not fit {benchmark.name}: convolutions, norms and head are {theirs}, where it has {wanted}"
