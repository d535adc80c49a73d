"""Matches the tensors of a file with ours: by shape and order, or by the user's map."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from bench.errors import UserError, reason
from bench.tools.state_dicts.layouts import Layout, recognise
from bench.tools.state_dicts.modules import Module, in_order, modules

BLOCKS = (1, 2, 3, 4)
_OURS = {f"{layer}{k}.{part}" for k in BLOCKS for layer, part in (("conv", "weight"), ("conv", "bias"))}
_OURS |= {f"norm{k}.{part}" for k in BLOCKS for part in ("scale", "shift", "mean", "variance")}
_OURS |= {"head.weight", "head.bias"}
_NEEDED = {f"conv{k}.weight" for k in BLOCKS}
_MOST_BYTES = 1 << 16  # of a map file
# A head with weight normalisation (torch's weight_norm): CloserLookFewShot's baseline++.
_WEIGHT_NORM = {"weight_g", "weight_v", "bias"}


@dataclass(frozen=True)
class Matching:
    """`places`: our name -> the file's. `unread`: tensors of the file that are not used."""

    places: dict[str, str]
    layout: Layout
    unread: tuple[str, ...]

    def toml(self) -> str:
        """The content of a file for `--map`, in the order of the network."""
        return "".join(f"{ours} = {json.dumps(name, ensure_ascii=False)}\n" for ours, name in self.places.items())


def match_by_order(path: Path, tensors: Mapping[str, Tensor], ordered: bool) -> Matching:
    """Matches by shape and order. `ordered`: the file keeps the order of the layers. Raises UserError if the tensors
    are not those of four blocks, or their order is unknown."""
    found = modules(tensors, ordered)
    by_kind = {kind: [m for m in found if m.kind == kind] for kind in ("convolution", "norm", "linear", "other")}
    convolutions, norms, heads = by_kind["convolution"], by_kind["norm"], by_kind["linear"]
    others = [m for m in by_kind["other"] if not m.shapes.keys() <= _WEIGHT_NORM]
    if len(convolutions) != 4 or len(norms) != 4 or len(heads) > 1 or others:
        raise UserError(
            f"{path}: a Conv4 has convolutions FxCx3x3, FxFx3x3, FxFx3x3, FxFx3x3, a batch norm F for each, and "
            f"at most one linear head, but this file has {shapes_of(found)}; say which are which with `--map FILE`"
        )
    for layers in (convolutions, norms):
        if not in_order(layers, ordered):
            names = ", ".join(layer.name for layer in layers)
            raise UserError(f"{path}: the order of {names} is not known: give it with `--map FILE`")
    places: dict[str, str] = {}
    for k, pair in zip(BLOCKS, zip(convolutions, norms, strict=True), strict=True):
        places |= {ours: name for module in pair for ours, name in module.places(k).items()}
    places |= {ours: name for head in heads for ours, name in head.places(0).items()}
    unread = tuple(name for m in by_kind["other"] for name in m.names.values())
    return Matching(places, recognise(convolutions, norms), unread)


def shapes_of(found: list[Module]) -> str:
    """The modules that were found, each with its name and shape."""
    each = (f"{m.name or next(iter(m.names))} {shape_text(next(iter(m.shapes.values())))}" for m in found)
    return ", ".join(each) or "nothing"


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape as text, such as 64x3x3x3."""
    return "x".join(map(str, shape)) or "a number"


def match_by_map(path: Path, tensors: Mapping[str, Tensor], map_file: Path) -> Matching:
    """Matches by the user's map. Raises UserError if it names something that does not exist."""
    places = _read_map(map_file)
    for ours, name in places.items():
        if ours not in _OURS:
            raise UserError(f"{map_file}: {ours} is not a tensor of a Conv4, which has {', '.join(sorted(_OURS))}")
        if name not in tensors:
            raise UserError(f"{map_file}: {ours}: {path} has no tensor {name}")
    if missing := sorted(_NEEDED - places.keys()):
        raise UserError(f"{map_file}: {missing[0]} is missing")
    if twice := [name for name in places.values() if list(places.values()).count(name) > 1]:
        raise UserError(f"{map_file}: {twice[0]} appears twice")
    convolutions = [_owner(places[f"conv{k}.weight"]) for k in BLOCKS]
    norms = [_owner(name) for ours, name in places.items() if re.fullmatch(r"norm\d\.(scale|mean)", ours)]
    unread = tuple(name for name in tensors if name not in places.values())
    return Matching(places, recognise(convolutions, norms), unread)


def _owner(name: str) -> Module:
    listed = re.search(r"(^|\.)vars\.\d+$", name)
    return Module(name if listed else name.rpartition(".")[0])


def _read_map(path: Path) -> dict[str, str]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UserError(f"{path}: larger than {_MOST_BYTES} bytes, too large for a map")
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {reason(error)}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid TOML: {reason(error)}") from error
    return dict(_flat(path, "", values))


def _flat(path: Path, prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, dict) and not prefix:
            yield from _flat(path, f"{key}.", value)
        elif isinstance(value, str):
            yield prefix + key, value
        else:
            raise UserError(f'{path}: {prefix}{key}: give a name, as in conv1.weight = "features.0.conv.weight"')
