"""Reads leveldb's sorted table, the format of a TensorFlow checkpoint's index (leveldb, doc/table_format.md).

A table consists of blocks of entries, whose keys omit the prefix they share with the previous key; each block is
followed by its compression type and a masked crc32c. Then come a block that lists the blocks, and a footer with its
position."""

from __future__ import annotations

from collections.abc import Iterator

from bench.tools.authors_weights.protobuf import Malformed, masked_crc32c, varint

_FOOTER, _TRAILER = 48, 5  # bytes
_MAGIC = 0xDB4775248B80FB57.to_bytes(8, "little")
_COMPRESSIONS = {1: "Snappy", 2: "Zstandard"}
_MOST_ENTRIES, _LONGEST_KEY = 10_000, 1_000  # keys are prefix-compressed: a small file could hold gigabytes of them


def read(data: bytes) -> dict[bytes, bytes]:
    """Every key, in order, with its value. Raises Malformed."""
    if len(data) < _FOOTER or data[-8:] != _MAGIC:
        raise Malformed("not the index of a TensorFlow checkpoint, or cut short (it does not end in leveldb's number)")
    footer = data[-_FOOTER:]
    about, at = _handle(footer, 0)
    index, _ = _handle(footer, at)
    _block(data, about)
    found: dict[bytes, bytes] = {}
    for _, value in _entries(_block(data, index)):
        for key, content in _entries(_block(data, _handle(value, 0)[0])):
            if found and key <= next(reversed(found)):
                raise Malformed("damaged: its keys are not in order")
            if len(found) == _MOST_ENTRIES:
                raise Malformed(f"more than {_MOST_ENTRIES} entries, which no checkpoint of these networks has")
            found[key] = content
    return found


def _handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    """((offset, size) of a block, position after the handle)."""
    offset, at = varint(data, at)
    size, at = varint(data, at)
    return (offset, size), at


def _block(data: bytes, handle: tuple[int, int]) -> bytes:
    """A block's content, after verifying its checksum."""
    offset, size = handle
    end = offset + size
    if end + _TRAILER > len(data) - _FOOTER:
        raise Malformed("damaged, or cut short: a block reaches beyond the end")
    if masked_crc32c(data[offset : end + 1]) != int.from_bytes(data[end + 1 : end + _TRAILER], "little"):
        raise Malformed("damaged: the crc32c of a block differs from the recorded one")
    if data[end] != 0:
        name = _COMPRESSIONS.get(data[end], f"method {data[end]}")
        raise Malformed(f"its blocks are compressed ({name}): only uncompressed ones can be read")
    return data[offset:end]


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The (key, value) pairs of a block. The restart points at its end are not needed here."""
    end = len(block) - 4 - 4 * int.from_bytes(block[-4:], "little")
    if end < 0:
        raise Malformed("damaged: a block without its end")
    key, at = b"", 0
    while at < end:
        shared, at = varint(block, at)
        own, at = varint(block, at)
        size, at = varint(block, at)
        if shared > len(key) or own + size > end - at:
            raise Malformed("damaged: an entry reaches beyond its block")
        if shared + own > _LONGEST_KEY:
            raise Malformed(f"a name in it is longer than {_LONGEST_KEY} bytes")
        key = key[:shared] + block[at : at + own]
        yield key, block[at + own : at + own + size]
        at += own + size
