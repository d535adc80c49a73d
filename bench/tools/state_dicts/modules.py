"""Groups the tensors of a state_dict into modules, and these into the layers of a Conv4, by shape and order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

Kind = Literal["convolution", "norm", "linear", "other"]
_PARTS = {
    "convolution": {"weight": "weight", "bias": "bias"},
    "norm": {"weight": "scale", "bias": "shift", "running_mean": "mean", "running_var": "variance"},
    "linear": {"weight": "weight", "bias": "bias"},
}
_OURS = {"convolution": "conv{}", "norm": "norm{}", "linear": "head"}
# dragen1860/MAML-Pytorch, learner.py: lists of weight and bias in turn, and of running mean and variance.
_LISTED = re.compile(r"(?:.*\.)?(vars|vars_bn)\.(\d+)")


@dataclass(eq=False)
class Module:
    """Tensors that belong together. `names`: part, such as `weight` or `running_var` -> its name in the file."""

    name: str
    names: dict[str, str] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """The kind of layer, from the shape of the weight; a norm may have only running statistics."""
        axes = {part: len(shape) for part, shape in self.shapes.items()}
        if axes.get("weight") in (4, 2) and axes.keys() <= {"weight", "bias"}:
            return "convolution" if axes["weight"] == 4 else "linear"
        if axes and axes.keys() <= _PARTS["norm"].keys() and set(axes.values()) == {1}:
            return "norm"
        return "other"

    def places(self, number: int) -> dict[str, str]:
        """Our names for the tensors, as layer `number` of its kind -> their names in the file."""
        ours = _OURS[self.kind].format(number)
        return {f"{ours}.{_PARTS[self.kind][part]}": name for part, name in self.names.items()}


def modules(tensors: Mapping[str, Tensor], ordered: bool) -> list[Module]:
    """All modules, in the order of the file, or by the numbers in their names if the file has no order; modules that
    occur twice because they are shared are listed once."""
    names = list(tensors) if ordered else sorted(tensors, key=numbers)
    if all(_LISTED.fullmatch(name) for name in names):
        return _modules_from_lists(names, tensors)
    found: dict[str, Module] = {}
    for name in names:
        owner, _dot, part = name.rpartition(".")
        module = found.setdefault(owner, Module(owner))
        module.names[part], module.shapes[part] = name, tuple(tensors[name].shape)
    return _without_copies(list(found.values()), tensors)


def numbers(name: str) -> tuple[tuple[int, str], ...]:
    """A sort key that puts `features.2` before `features.10`."""
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name))


def _modules_from_lists(names: Sequence[str], tensors: Mapping[str, Tensor]) -> list[Module]:
    """Modules from plain lists: weight and bias alternate; running statistics belong to the norms in their order."""
    by_list: dict[str, list[str]] = {"vars": [], "vars_bn": []}
    for name in sorted(names, key=numbers):
        match = _LISTED.fullmatch(name)
        assert match is not None
        by_list[match[1]].append(name)
    pairs = {kind: list(zip(found[::2], found[1::2], strict=False)) for kind, found in by_list.items()}
    made = [_of_pair(("weight", "bias"), pair, tensors) for pair in pairs["vars"]]
    made += [Module(name, {"": name}, {"": tuple(tensors[name].shape)}) for name in by_list["vars"][2 * len(made) :]]
    norms = [module for module in made if module.kind == "norm"]
    for norm, pair in zip(norms, pairs["vars_bn"], strict=False):
        statistics = _of_pair(("running_mean", "running_var"), pair, tensors)
        norm.names |= statistics.names
        norm.shapes |= statistics.shapes
    return made


def _of_pair(parts: tuple[str, str], names: tuple[str, str], tensors: Mapping[str, Tensor]) -> Module:
    shapes = {part: tuple(tensors[name].shape) for part, name in zip(parts, names, strict=True)}
    return Module(names[0], dict(zip(parts, names, strict=True)), shapes)


def _without_copies(found: list[Module], tensors: Mapping[str, Tensor]) -> list[Module]:
    """The modules without copies: a convolution with the values of an earlier one is the same module under another name
    (learn2learn's OmniglotCNN, CloserLookFewShot's blocks), and so are the norms beside it."""
    kept: list[Module] = []
    shadows: set[str] = set()
    for module in (m for m in found if m.kind == "convolution"):
        if any(_same(module, other, tensors) for other in kept):
            shadows.add(module.name)
        else:
            kept.append(module)
    parents = {name.rpartition(".")[0] for name in shadows}
    norms = [m for m in found if m.kind == "norm"]
    originals = [m for m in norms if m.name.rpartition(".")[0] not in parents]
    shadows |= {m.name for m in norms if m not in originals and any(_same(m, other, tensors) for other in originals)}
    return [module for module in found if module.name not in shadows]


def _same(one: Module, other: Module, tensors: Mapping[str, Tensor]) -> bool:
    return one.shapes == other.shapes and all(
        torch.equal(tensors[name], tensors[other.names[part]]) for part, name in one.names.items()
    )


def in_order(layers: Sequence[Module], ordered: bool) -> bool:
    """Whether the names are consistent with the order: their numbers increase. A file without an order needs
    numbers."""
    kinds = {re.sub(r"\d+", "#", layer.name) for layer in layers}
    if len(kinds) > 1:
        return ordered
    keys = [numbers(layer.name) for layer in layers]
    return all(one < other for one, other in pairwise(keys))
