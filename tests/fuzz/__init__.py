"""Hostile inputs: valid files with changed bytes or values, and some random ones. Only clear errors may result.

A test takes 100 inputs in CI, always the same ones. `BENCH_FUZZ=N` (`tox -e full`: 3,000) takes N, different ones in
each run."""

from __future__ import annotations

import faulthandler
import json
import os
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from bench.errors import UserError
from tests.counting import counts

_ASKED = os.environ.get("BENCH_FUZZ")
_SECONDS = 60  # for one input, on a busy machine: a reader that takes longer is taken to hang

inputs = settings(
    max_examples=int(_ASKED or 100),
    derandomize=_ASKED is None,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def read(reader: str, function: Callable[[], Any], *also: type[Exception]) -> Any:
    """The reader's result for one input, or None if the reader refuses it with a one-line error: a UserError, or one of
    `also`."""
    counts[f"hostile inputs, {reader}"] += 1
    counts["hostile inputs, all"] += 1
    faulthandler.dump_traceback_later(_SECONDS, exit=True)
    try:
        return function()
    except (UserError, *also) as error:
        lines = str(error).splitlines()
        assert len(lines) == 1 and 0 < len(lines[0]) < 2000, error
        return None
    finally:
        faulthandler.cancel_dump_traceback_later()


def written(folder: Path, name: str, data: bytes) -> Path:
    """Writes a file with these bytes."""
    path = folder / name
    path.write_bytes(data)
    return path


_EXTREME = [
    b"\0" * 8,
    b"\xff" * 8,
    b"\xff\xff\xff\x7f",
    b"\x80",
    b"\x7f",
    b"-1",
    b"9" * 30,
    b"[" * 3000,
    b"\r\n",
    b"../",
]
_EDIT = st.tuples(
    st.sampled_from(["flip", "cut", "insert", "overwrite", "delete", "repeat", "swap"]),
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 1, exclude_max=True),
    st.binary(min_size=1, max_size=8) | st.sampled_from(_EXTREME),
)


def mutated(*valid: bytes) -> st.SearchStrategy[bytes]:
    """One of these files with a few edits; occasionally random bytes."""
    edited = st.builds(_edited, st.sampled_from(valid), st.lists(_EDIT, min_size=1, max_size=4))
    return edited | edited | edited | st.binary(max_size=64)


def _edited(data: bytes, edits: list[tuple[str, float, float, bytes]]) -> bytes:
    for kind, one, other, new in edits:
        a, b = sorted((int(one * len(data)), int(other * len(data))))
        short = data[a : min(b, a + 64)]
        data = {
            "flip": data[:a] + bytes(byte ^ 1 << new[0] % 8 for byte in data[a : a + 1]) + data[a + 1 :],
            "cut": data[:a],
            "insert": data[:a] + new + data[a:],
            "overwrite": data[:a] + new + data[a + len(new) :],
            "delete": data[:a] + data[a + len(short) :],
            "repeat": data[:a] + short + data[a:],
            "swap": data[b : b + len(short)] + data[len(short) : b] + short + data[b + len(short) :],
        }[kind]
    return data


_TEXTS = ["", "../../x", "/etc/passwd", "\x1b[2J", "a\nb", "=1+1", "|x|", r"\input{x}", "<script>", "9" * 5000, "nan"]
HOSTILE_TEXT = st.text(max_size=20) | st.sampled_from(_TEXTS)
_VALUE: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([-1, 0, 1, 2**31, 2**63, 10**40])
    | st.floats()
    | HOSTILE_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(HOSTILE_TEXT, inner, max_size=3),
    max_leaves=5,
)


def mutated_json(valid: Any) -> st.SearchStrategy[Any]:
    """The value with a few of its parts, at any depth, replaced, removed or added."""
    edit = st.tuples(st.sampled_from(["replace", "remove", "add"]), st.integers(0, 2**16), HOSTILE_TEXT, _VALUE)
    return st.builds(_changed, st.just(valid), st.lists(edit, min_size=1, max_size=3))


def _changed(valid: Any, edits: list[tuple[str, int, str, Any]]) -> Any:
    value = deepcopy(valid)
    for kind, place, name, new in edits:
        parts = list(_parts(value))
        if not parts:
            return new
        owner, key = parts[place % len(parts)]
        if kind == "remove":
            del owner[key]
        elif kind == "add" and isinstance(owner, dict):
            owner[name] = new
        else:
            owner[key] = new
    return value


def _parts(value: Any) -> Any:
    """Every (container, key) in a JSON value, at any depth."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items):
        yield value, key
        yield from _parts(item)


def as_json(value: Any) -> bytes:
    """The value as Python's JSON writes it, which includes NaN and lone surrogates."""
    return json.dumps(value).encode()
