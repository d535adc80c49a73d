"""Writes TensorFlow checkpoints from the description of the format, independently of their reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import google_crc32c
import numpy as np

MAGIC = bytes.fromhex("57fb808b247547db")
HEADER = b"\x08\x01\x1a\x02\x08\x01"  # one file, little-endian, version 1
FLOAT32 = 1


def varint(value: int) -> bytes:
    return bytes([value & 127 | 128]) + varint(value >> 7) if value > 127 else bytes([value])


def masked(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return ((((crc >> 15) | (crc << 17)) + 0xA282EAD8) % (1 << 32)).to_bytes(4, "little")


def block(entries: list[tuple[bytes, bytes]]) -> bytes:
    """A block of entries: keys leave out the prefix that they share with the previous one; one restart, at the
    beginning."""
    body, last = b"", b""
    for key, value in entries:
        shared = next((k for k, (a, b) in enumerate(zip(key, last, strict=False)) if a != b), min(len(key), len(last)))
        body += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    return body + bytes(4) + (1).to_bytes(4, "little")


def table(entries: list[tuple[bytes, bytes]], compression: int = 0) -> bytes:
    """A sorted table of one data block."""
    data = b""

    def add(content: bytes) -> bytes:
        nonlocal data
        handle = varint(len(data)) + varint(len(content))
        content += bytes([compression])
        data += content + masked(content)
        return handle

    first = add(block(entries))
    about = add(block([]))
    index = add(block([(entries[-1][0], first)]))
    return data + (about + index).ljust(40, b"\0") + MAGIC


@dataclass
class Bundle:
    """A checkpoint to write, possibly with errors: `entries` replaces the message of a variable, or adds one."""

    variables: Mapping[str, np.ndarray]
    header: bytes = HEADER
    entries: dict[str, bytes] = field(default_factory=dict)
    compression: int = 0

    def write(self, prefix: Path) -> Path:
        prefix.parent.mkdir(parents=True, exist_ok=True)
        data, messages = b"", {}
        for name, values in sorted(self.variables.items()):
            raw = values.astype("<f4").tobytes()
            messages[name] = entry(values.shape, len(data), raw)
            data += raw
        keys = [(name.encode(), message) for name, message in sorted((messages | self.entries).items())]
        Path(f"{prefix}.index").write_bytes(table([(b"", self.header), *keys], self.compression))
        Path(f"{prefix}.data-00000-of-00001").write_bytes(data)
        return prefix


def entry(shape: tuple[int, ...], offset: int, raw: bytes, kind: int = FLOAT32, size: int | None = None) -> bytes:
    """The BundleEntryProto message of a variable."""
    dims = b"".join(b"\x12" + varint(len(d)) + d for d in (b"\x08" + varint(n) for n in shape))
    message = b"\x08" + varint(kind) + b"\x12" + varint(len(dims)) + dims
    message += b"\x20" + varint(offset) if offset else b""
    return message + b"\x28" + varint(len(raw) if size is None else size) + b"\x35" + masked(raw)
