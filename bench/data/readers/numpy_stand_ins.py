"""Stand-ins for the NumPy functions that a pickle of arrays calls; they accept only plain numbers."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np

_CORES = ("core", "_core")  # of numpy 1 and 2


class Floats(pickle.UnpicklingError):
    """An array of floats: another form, not damage."""


class Type:
    """Stand-in for numpy.dtype: a code such as `u1` and a byte order, only for integers and booleans."""

    def __init__(self, code: str, *_: Any) -> None:
        check(type(code) is str and len(code) < 8, "a number type without a name")
        self.dtype = np.dtype(code)
        if self.dtype.kind == "f":
            raise Floats(f"its numbers of type {code!r} are floats, but images are whole numbers from 0 to 255")
        check(self.dtype.kind in "uib", f"numbers of type {code!r}")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        check(type(state[1]) is str, "no byte order")
        self.dtype = self.dtype.newbyteorder(state[1])


class Array:
    """Stand-in for numpy.ndarray; its state is (version, shape, type, column-major, bytes)."""

    def __init__(self, *_: Any) -> None:
        self.value = np.empty(0, np.uint8)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        *_, shape, kind, column_major, data = state
        self.value = _from_buffer(data, kind, shape, "F" if column_major else "C")


def _from_buffer(data: Any, kind: Type, shape: Any, order: Any, axes: Any = None) -> np.ndarray:
    """The function that pickle protocol 5 calls. `order`: row-major "C", column-major "F", or "K": row-major with
    permuted axes."""
    for numbers in (shape, axes or ()):
        check(type(numbers) is tuple and all(type(n) is int for n in numbers), "no shape")
    values = np.frombuffer(_bytes(data), kind.dtype)
    return values.reshape(shape).transpose(axes) if order == "K" else values.reshape(shape, order=order)


def _scalar(kind: Type, data: Any) -> int:
    return int(np.frombuffer(_bytes(data), kind.dtype)[0])


def _bytes(data: Any) -> Any:
    """Bytes that Python 2 wrote, which Python 3 reads as text."""
    return data.encode("latin1") if isinstance(data, str) else data


def check(fine: bool, otherwise: str) -> None:
    """Raises UnpicklingError unless `fine`."""
    if not fine:
        raise pickle.UnpicklingError(otherwise)


ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): Array,
    ("numpy", "dtype"): Type,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): Array for core in _CORES},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in _CORES},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _from_buffer for core in _CORES},
}
