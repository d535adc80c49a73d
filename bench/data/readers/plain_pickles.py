"""Reads the arrays in a pickle without executing code that the pickle contains.

A pickle is a program. Here it may use only the instructions that build plain containers, and call only stand-ins for
NumPy's functions, which accept plain numbers. Not even NumPy's own functions for unpickling are called, so it does not
matter which NumPy wrote the file. What a few bytes could blow up is bounded: the number of instructions, the bytes
copied, and keys, which must be text or numbers (the hash of nested tuples can take forever)."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from bench.data.readers.numpy_stand_ins import ALLOWED, Array, Floats, Type, check
from bench.data.readers.packed import open_file
from bench.data.readers.unreadable import explain_small_file
from bench.errors import UserError, reason

MOST_INSTRUCTIONS = 2_000_000  # plus one per hundred bytes: tieredImageNet has one array per image
_PLAIN = (
    "PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "DUP", "NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT",
    "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES",
    "SHORT_BINBYTES", "BINBYTES8", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BYTEARRAY8",
    "EMPTY_LIST", "LIST", "APPEND", "APPENDS", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_DICT",
    "DICT", "SETITEM", "SETITEMS", "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "GET", "BINGET", "LONG_BINGET",
    "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD",
)  # fmt: skip


class _Unpickler(pickle._Unpickler):
    """The Python implementation: its memory grows with the file, while the C implementation's grows with any number in
    it."""

    stack: list[Any]
    read: Callable[[int], bytes]
    append: Callable[[Any], None]

    def __init__(self, file: BinaryIO, size: int) -> None:
        super().__init__(file, encoding="latin1")
        self._size = self._copies_left = size
        self._instructions_left = MOST_INSTRUCTIONS + size // 100

    def find_class(self, module: str, name: str) -> Any:
        own = {("_codecs", "encode"): self._encoded, ("collections", "OrderedDict"): self._dictionary}
        known = ALLOWED | own
        check((module, name) in known, f"refused, because it asks for {module}.{name}")
        return known[module, name]

    def count(self) -> None:
        """Counts one instruction."""
        self._instructions_left -= 1
        check(self._instructions_left >= 0, "too many instructions")

    def build(self) -> None:
        """Sets the state of a stand-in; other objects must not have one."""
        state, owner = self.stack.pop(), self.stack[-1]
        check(isinstance(owner, Type | Array) or state is None, "a state of what is plain")
        if state is not None:
            owner.__setstate__(state)

    def bytes8(self) -> None:
        """Reads as many bytes as the file claims, if it is that long."""
        (length,) = struct.unpack("<Q", self.read(8))
        check(length <= self._size, "more bytes than the file has")
        self.append(self.read(length))

    def _encoded(self, text: str, encoding: str) -> bytes:
        check(type(text) is str and encoding == "latin1", "text in another encoding than latin1")
        self._copy(len(text))
        return text.encode("latin1")

    def _dictionary(self, items: Sequence[Any] = ()) -> dict[Any, Any]:
        check(type(items) in (list, tuple), "a dictionary of neither a list nor a tuple")
        self._copy(len(items))
        return {_key(key): value for key, value in items}

    def _copy(self, size: int) -> None:
        """Limits the bytes copied to the size of the file: data occur in a file once, but referring to them again costs
        only a byte or two."""
        self._copies_left -= size
        check(self._copies_left >= 0, "it repeats its data")


def _key(value: Any) -> Any:
    check(type(value) in (str, int, bytes), "a key that is neither text nor a number")
    return value


def _instruction(name: str) -> Callable[[Any], None]:
    own: dict[str, Callable[[Any], None]] = {
        "BUILD": _Unpickler.build,
        "BYTEARRAY8": _Unpickler.bytes8,
        "BINBYTES8": _Unpickler.bytes8,
    }
    code = getattr(pickle, name)[0]
    carry_out = own.get(name, pickle._Unpickler.dispatch[code])

    def checked(unpickler: Any) -> None:
        unpickler.count()
        keys = {"SETITEM": slice(-2, -1), "SETITEMS": slice(0, None, 2), "DICT": slice(0, None, 2)}
        for key in unpickler.stack[keys[name]] if name in keys else ():
            _key(key)
        carry_out(unpickler)

    return checked


class _Instructions(dict[int, Callable[[Any], None]]):
    def __missing__(self, code: int) -> Any:
        raise pickle.UnpicklingError(f"refused, because an instruction makes no plain container ({chr(code)!r})")


_Unpickler.dispatch = _Instructions({getattr(pickle, name)[0]: _instruction(name) for name in _PLAIN})


def load_plain(path: Path) -> Any:
    """The plain containers, integers and arrays in a pickle, on disk or in an archive; keys that are bytes become text.
    Raises UserError if it contains anything else."""
    try:
        with open_file(path) as (file, size):
            return _arrays(_Unpickler(file, size).load())
    except UserError:
        raise
    except Floats as error:
        raise UserError(
            f"{path}: {error}: save it again, with (255 * x).round().astype('uint8') if they are from 0 to 1, or "
            "with x.astype('uint8') if they are whole numbers, or use a copy in uint8"
        ) from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {reason(error)}") from error
    except Exception as error:  # a damaged or hostile pickle may raise anything
        otherwise = f"damaged, or not a pickle of plain arrays ({reason(error)}): get it again"
        raise UserError(f"{path}: {explain_small_file(path) or otherwise}") from error


def _text(key: Any) -> Any:
    """A key as text: keys that Python 2 wrote may have been read, and saved again, as bytes."""
    return key.decode("latin1") if isinstance(key, bytes) else key


def _arrays(value: Any, depth: int = 2) -> Any:
    """The value with its stand-ins replaced by arrays, in dictionaries and lists, to a depth of two: a few bytes can
    nest a dictionary in itself, or forty of them twice in one another."""
    if isinstance(value, Array):
        return value.value
    if isinstance(value, dict) and depth:
        return {_text(key): _arrays(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list) and depth:
        return [_arrays(item, depth - 1) for item in value]
    return value
