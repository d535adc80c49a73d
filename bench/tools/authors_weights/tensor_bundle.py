"""Reads TensorFlow's checkpoints (TensorBundle, tensorflow/core/protobuf/tensor_bundle.proto) without TensorFlow.

`<prefix>.index` is a sorted table: the empty key has the header; each variable's name has its dtype, shape, position
and masked crc32c. `<prefix>.data-00000-of-00001` contains the values. Only float32 variables in a single file are read;
anything else is refused with its name. Every checksum is verified."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from bench.errors import UserError, quantity
from bench.tools.authors_weights import protobuf, sorted_table
from bench.tools.authors_weights.protobuf import Malformed

_INDEX, _DATA = ".index", ".data-00000-of-00001"
_MOST_BYTES = {_INDEX: 1 << 20, _DATA: 1 << 28}  # for a Conv4 they have 520 bytes and 131 kB
_MOST_AXES = 8
_FLOAT32 = 1
_KINDS = {2: "float64", 3: "int32", 7: "string", 9: "int64", 14: "bfloat16", 19: "float16"}
_VERSION = 1  # of the format that this reader supports


@dataclass(frozen=True)
class _Entry:
    """The position of a variable's values; `size` is in bytes."""

    name: str
    shape: tuple[int, ...]
    offset: int
    size: int
    crc: int


def find(path: Path) -> Path:
    """The prefix of the only checkpoint in a folder, or the path itself if it is a prefix. Raises UserError."""
    if Path(f"{path}{_INDEX}").is_file():
        return path
    if not path.is_dir():
        if (prefix := re.sub(r"\.(index|data-\d+-of-\d+)$", "", str(path))) != str(path):
            raise UserError(f"{path} names one of a checkpoint's two files: give what both begin with, {prefix}")
        raise UserError(f"no checkpoint at {path}: neither it nor {path}{_INDEX} exists")
    found = sorted(path.glob(f"*{_INDEX}"))
    if len(found) == 1:
        return found[0].with_suffix("")
    if not found:
        raise UserError(f"no TensorFlow checkpoint in {path}: none of its files ends in {_INDEX}")
    raise UserError(f"{path} holds {quantity(len(found), 'checkpoint')}; give one, such as {found[0].with_suffix('')}")


def files(prefix: Path) -> tuple[Path, Path]:
    """The two files of a checkpoint: index and data."""
    return Path(f"{prefix}{_INDEX}"), Path(f"{prefix}{_DATA}")


def read(prefix: Path) -> dict[str, np.ndarray]:
    """Name -> float32 values of every variable. Raises UserError, which names the file."""
    index, data = files(prefix)
    try:
        entries = _entries(sorted_table.read(_bytes(index, _INDEX)))
    except Malformed as error:
        raise UserError(f"{index}: {error}") from error
    try:
        values = _bytes(data, _DATA)
        _check_places(entries, len(values))
        return {entry.name: _tensor(entry, values) for entry in entries}
    except Malformed as error:
        raise UserError(f"{data}: {error}") from error


def _bytes(path: Path, kind: str) -> bytes:
    try:
        if path.stat().st_size > _MOST_BYTES[kind]:
            raise Malformed(f"larger than {_MOST_BYTES[kind]} bytes, which no checkpoint of these networks is")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise Malformed(f"not found: a checkpoint is two files, {_INDEX} and {_DATA}: copy both") from error
    except OSError as error:
        raise Malformed(error.strerror or str(error)) from error


def _entries(found: dict[bytes, bytes]) -> list[_Entry]:
    if b"" not in found:
        raise Malformed("not the index of a TensorFlow checkpoint: it has no header")
    _check_header(protobuf.fields(found.pop(b"")))
    return [_entry(_name(key), protobuf.fields(message)) for key, message in found.items()]


def _check_header(header: protobuf.Fields) -> None:
    """BundleHeaderProto: num_shards 1, endianness 2, version 3 (whose min_consumer is 2)."""
    shards = protobuf.number(header, 1)
    if shards != 1:
        raise Malformed(f"its values are spread over {shards} files: only checkpoints with one file can be read")
    if protobuf.number(header, 2) != 0:
        raise Malformed("its values are big-endian: only little-endian ones can be read")
    if any(protobuf.number(version, 2) > _VERSION for version in protobuf.messages(header, 3)):
        raise Malformed("of a newer version of the format than this version can read")


def _entry(name: str, found: protobuf.Fields) -> _Entry:
    """BundleEntryProto: dtype 1, shape 2, shard_id 3, offset 4, size 5, crc32c 6, slices 7."""
    kind = protobuf.number(found, 1)
    if 7 in found:
        raise Malformed(f"{name} is partitioned into slices: only whole variables can be read")
    if kind != _FLOAT32:
        raise Malformed(f"{name} is of {_KINDS.get(kind, f'kind {kind}')}: only float32 can be read")
    if protobuf.number(found, 3) != 0:
        raise Malformed(f"damaged: {name} is in a file that does not exist")
    shape = tuple(protobuf.number(dim, 1) for part in protobuf.messages(found, 2) for dim in protobuf.messages(part, 2))
    offset, size = protobuf.number(found, 4), protobuf.number(found, 5)
    if len(shape) > _MOST_AXES or not all(shape) or size != 4 * prod(shape):
        raise Malformed(f"damaged: {name} of shape {list(shape[:_MOST_AXES])} is said to take {size} bytes")
    return _Entry(name, shape, offset, size, protobuf.number(found, 6))


def _name(key: bytes) -> str:
    try:
        name = key.decode("ascii")
    except UnicodeDecodeError:
        name = ""
    if not name.isprintable() or not name:
        raise Malformed("damaged: the name of a variable is not text")
    return name


def _check_places(entries: Iterable[_Entry], size: int) -> None:
    """Raises Malformed unless variables are disjoint and inside the file, so that never more than the file's size is
    read."""
    end = 0
    for entry in sorted(entries, key=lambda entry: (entry.offset, entry.size)):
        if entry.offset < end:
            raise Malformed(f"damaged: {entry.name} overlaps another variable")
        end = entry.offset + entry.size
        if end > size:
            raise Malformed(f"cut short: {entry.name} ends at byte {end}, but the file has {size}")


def _tensor(entry: _Entry, values: bytes) -> np.ndarray:
    raw = values[entry.offset : entry.offset + entry.size]
    if protobuf.masked_crc32c(raw) != entry.crc:
        raise Malformed(f"damaged: the crc32c of {entry.name} differs from the recorded one")
    return np.frombuffer(raw, dtype="<f4").astype(np.float32).reshape(entry.shape)
