"""Reads a PyTorch state_dict from a file, in safetensors format or as written by `torch.save`; nothing in it is
executed.

It reads what `torch.load(weights_only=True)` reads, and takes the only dictionary of plain tensors that contains
convolutions, at any level of nesting."""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from bench.errors import UserError, reason

_MOST_BYTES = 1 << 28  # of a file: a Conv4 has half a megabyte, or two with its optimiser's state
_MOST_TENSORS = 1000
_MOST_NUMBERS = 1 << 26  # of a tensor, whose shape may claim more than the file holds
_DEEPEST = 6  # dictionaries in dictionaries
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
_GLOBAL = re.compile(r"GLOBAL (\S+)")


def read(path: Path) -> tuple[dict[str, Tensor], bool]:
    """Name -> float32 tensor on the CPU, in the file's order, and whether that is the order of the layers, which
    safetensors does not keep. Integer tensors are left out. Raises UserError, which names the file."""
    data = _bytes(path)
    if data[8:9] == b"{":
        return _check(path, "", _safetensors(path, data)), False
    where, found = _state_dict(path, _load(path, data))
    return _check(path, where, found), True


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UserError(f"{path}: larger than {_MOST_BYTES} bytes, too large for a Conv4")
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {reason(error)}") from error


def _safetensors(path: Path, data: bytes) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(data)
    except Exception as error:  # a damaged file may cause any error in the library
        raise UserError(f"{path}: not a readable safetensors file: {reason(error)}") from error


def _load(path: Path, data: bytes) -> Any:
    """What `torch.save` wrote, without executing code that a pickle could contain."""
    if not data.startswith((_ZIP, _PICKLE)):
        raise UserError(f"{path}: neither a file of torch.save nor a safetensors file: save `model.state_dict()`")
    try:
        _check_stored(path, data)
        with warnings.catch_warnings(action="ignore"):
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except UserError:
        raise
    except Exception as error:  # a damaged or hostile file may cause any error in the library
        raise UserError(f"{path}: {_refusal(error)}") from error


def _check_stored(path: Path, data: bytes) -> None:
    """Raises UserError for a compressed archive: torch.save compresses nothing, and it could expand beyond memory."""
    if not data.startswith(_ZIP):
        return
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
    if any(member.compress_type for member in members) or sum(m.file_size for m in members) > len(data):
        raise UserError(f"{path}: a compressed archive, which torch.save does not write")


def _refusal(error: Exception) -> str:
    text = str(error)
    if "TorchScript" in text:
        return "a TorchScript archive, which is code: save `model.state_dict()`"
    if (found := _GLOBAL.search(text)) or "weights_only" in text or "Weights only" in text:
        what = f"holds {found[1]}, which is an object, not a plain tensor" if found else "holds more than plain tensors"
        return f"{what}, and is not executed: if you trust it, load it yourself and save only `model.state_dict()`"
    return f"damaged, or not a file of torch.save: {reason(error)}"


def _state_dict(path: Path, value: Any) -> tuple[str, Mapping[str, Tensor]]:
    """The only dictionary with convolutions, and where in the file it is."""
    found = list(_dictionaries("", value, _DEEPEST, set()))
    if len(found) == 1:
        return found[0]
    if not found:
        raise UserError(f"{path}: no state_dict in it: no dictionary holds the weight of a convolution")
    places = " and ".join(where or "the outermost" for where, _ in found)
    raise UserError(f"{path}: {len(found)} state_dicts ({places}): save only one of them")


def _dictionaries(where: str, value: Any, depth: int, seen: set[int]) -> Iterator[tuple[str, Mapping[str, Tensor]]]:
    """Dictionaries with convolutions, each once: a few bytes can hold one in many places."""
    if not isinstance(value, Mapping) or depth == 0 or id(value) in seen:
        return
    seen.add(id(value))
    tensors = {k: v for k, v in value.items() if isinstance(k, str) and isinstance(v, Tensor)}
    if any(tensor.dim() == 4 for tensor in tensors.values()):
        yield where, tensors
    for key, inner in value.items():
        if isinstance(key, str):
            yield from _dictionaries(f"{where}.{key}".strip("."), inner, depth - 1, seen)


def _check(path: Path, where: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    if len(tensors) > _MOST_TENSORS:
        raise UserError(f"{path}: {len(tensors)} tensors, but a Conv4 and its optimiser have fewer than 100")
    found = {}
    for name, tensor in tensors.items():
        if not name.isprintable() or len(name) > 200:
            raise UserError(f"{path}: {name[:100]!r} is not the name of a tensor")
        if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
            raise UserError(f"{path}: {name} is not a plain tensor: it is sparse, quantised, or has no values")
        if tensor.numel() > _MOST_NUMBERS:
            raise UserError(f"{path}: {name} of shape {list(tensor.shape)} is larger than any of a Conv4")
        if tensor.is_floating_point():
            found[name] = tensor.detach().to(torch.float32, copy=True).contiguous()
        elif tensor.is_complex():
            raise UserError(f"{path}: {name} holds complex numbers")
    if not found:
        raise UserError(f"{path}: no tensor of floating-point numbers in {where or 'it'}")
    return found
