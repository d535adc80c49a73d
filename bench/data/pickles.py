"""Reads the arrays out of a pickle without running anything that the pickle carries.

A pickle is a program. This one may call nothing but the stand-ins below, which know plain numbers and containers:
not even numpy's own functions for unpickling run, so it does not matter which numpy wrote the file.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from bench.errors import UserError


class _Type:
    """Stands for numpy.dtype: a code such as `u1` and a byte order, integers and booleans only."""

    def __init__(self, code: str, *_: Any) -> None:
        self.dtype = np.dtype(code)
        if self.dtype.kind not in "uib":
            raise pickle.UnpicklingError(f"numbers of type {code!r}")

    def __setstate__(self, state: tuple) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """Stands for numpy.ndarray; its state is (version, shape, type, column-major, bytes)."""

    def __init__(self, *_: Any) -> None:
        self.value = np.empty(0, np.uint8)

    def __setstate__(self, state: tuple) -> None:
        *_, shape, kind, column_major, data = state
        self.value = _from_buffer(data, kind, shape, "F" if column_major else "C")


def _from_buffer(data: Any, kind: _Type, shape: tuple, order: str, axes: tuple | None = None) -> np.ndarray:
    """What protocol 5 calls: row-major "C", column-major "F", or "K": row-major with the axes in another order."""
    values = np.frombuffer(_bytes(data), kind.dtype)
    return values.reshape(shape).transpose(axes) if order == "K" else values.reshape(shape, order=order)


def _scalar(kind: _Type, data: Any) -> int:
    return int(np.frombuffer(_bytes(data), kind.dtype)[0])


def _bytes(data: Any) -> Any:
    """Python 2 wrote bytes as what Python 3 takes for text."""
    return data.encode("latin1") if isinstance(data, str) else data


def _encoded(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"text in {encoding!r}")
    return text.encode("latin1")


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _encoded,
    ("collections", "OrderedDict"): OrderedDict,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Array for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _from_buffer for core in ("core", "_core")},
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is refused")
        return _ALLOWED[module, name]


def load_plain(path: Path) -> Any:
    """The plain containers, integers and arrays in a pickle. Raises UserError where there is anything else in it."""
    try:
        with open(path, "rb") as file:
            return _arrays(_unpickled(file))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
    except Exception as error:  # what a damaged or hostile pickle raises has no bounds
        reason = str(error).splitlines() or [type(error).__name__]
        raise UserError(f"{path}: damaged, or no pickle of plain arrays ({reason[0]}): get it again") from error


def _unpickled(file: BinaryIO) -> Any:
    return _Unpickler(file, encoding="latin1").load()


def _arrays(value: Any) -> Any:
    """The value with arrays in the place of their stand-ins, in dictionaries and lists."""
    if isinstance(value, _Array):
        return value.value
    if isinstance(value, dict):
        return {key: _arrays(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_arrays(item) for item in value]
    return value
