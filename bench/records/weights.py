"""Weights and checkpoints on disk, as safetensors: nothing that could execute code is ever read."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from bench import files
from bench.errors import UserError, reason
from methods.contract import State

_CPU = torch.device("cpu")
# What reading raises for a damaged file, a number type that numpy lacks, or metadata of another form.
_UNREADABLE = (OSError, SafetensorError, ValueError, TypeError, AttributeError, RuntimeError)  # also RecursionError


def save(path: Path, tensors: dict[str, Tensor], about: dict[str, Any] | None = None) -> None:
    """Writes tensors, and optional metadata `about`, atomically into one file."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # One entry: safetensors writes several in arbitrary order, and equal content must give equal files.
    metadata = {"about": json.dumps({**(about or {}), "sha256": _sum(plain)})}
    # As bytes, because the error of safetensors' own writer does not tell that the disk is full.
    data = safetensors.torch.save(plain, metadata)
    files.write_atomically(path, lambda temporary: temporary.write_bytes(data))


def load(path: Path, device: torch.device = _CPU) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the metadata that `save` wrote. Raises UserError if the file is missing or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        found, about = _sum(tensors), json.loads(metadata.get("about", "{}"))
        recorded = about.pop("sha256", found)
    except _UNREADABLE as error:
        raise UserError(f"cannot read {path}: {reason(error)}; `--force` trains the run again") from error
    if recorded != found:
        raise UserError(
            f"{path} is damaged: its checksum differs from the recorded one; `--force` trains the run again"
        )
    return {name: tensor.to(device) for name, tensor in tensors.items()}, about


def _sum(tensors: dict[str, Tensor]) -> str:
    """SHA-256 over names, dtypes, shapes and bytes."""
    total = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.numpy().tobytes())
    return total.hexdigest()


def save_state(path: Path, state: State) -> None:
    """Writes weights; names begin with `params.` or `carried.`."""
    save(path, flat(state))


def load_state(path: Path, device: torch.device) -> State:
    """The weights that `save_state` wrote."""
    return unflat(load(path, device)[0])


def fit_to(path: Path, state: State, like: State) -> State:
    """The weights of a file, in the order of the network `like`: compiled code expects one order. Raises UserError if
    they belong to another network."""
    for found, wanted in zip(state, like, strict=True):
        shapes = [{name: (tensor.shape, tensor.dtype) for name, tensor in part.items()} for part in (found, wanted)]
        if shapes[0] != shapes[1]:
            raise UserError(f"{path}: these are the weights of another network; `--force` trains the run again")
    return State(*({name: found[name] for name in wanted} for found, wanted in zip(state, like, strict=True)))


def flat(state: State, prefix: str = "") -> dict[str, Tensor]:
    """The state as one dictionary, with names `params.<name>` and `carried.<name>` after the prefix."""
    parts = state._asdict().items()
    return {f"{prefix}{part}.{name}": tensor for part, tensors in parts for name, tensor in tensors.items()}


def unflat(tensors: dict[str, Tensor], prefix: str = "") -> State:
    """The state that `flat` wrote with this prefix."""

    def part(name: str) -> dict[str, Tensor]:
        start = f"{prefix}{name}."
        return {key.removeprefix(start): tensor for key, tensor in tensors.items() if key.startswith(start)}

    return State(part("params"), part("carried"))
