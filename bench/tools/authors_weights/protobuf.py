"""Reads numbers and messages of Protocol Buffers, and computes masked checksums, as TensorFlow writes them."""

from __future__ import annotations

import google_crc32c

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types; groups, 3 and 4, are obsolete
_MASK_DELTA = 0xA282EAD8  # from leveldb's util/crc32c.h

Fields = dict[int, list[int | bytes]]  # field number -> its values, in order


class Malformed(ValueError):
    """A malformed file; the message says what is wrong, and is printed after the file's name."""


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The number of at most 64 bits that starts at `at`, and the position after it. Raises Malformed."""
    value = 0
    for k, byte in enumerate(data[at : at + 10]):
        value |= (byte & 127) << 7 * k
        if byte < 128 and value < 1 << 64:
            return value, at + k + 1
    raise Malformed("damaged: a number in it has no end")


def fields(message: bytes) -> Fields:
    """The message's fields. Raises Malformed."""
    found: Fields = {}
    at = 0
    while at < len(message):
        tag, at = varint(message, at)
        value, at = _value(message, at, tag & 7)
        found.setdefault(tag >> 3, []).append(value)
    return found


def _value(message: bytes, at: int, kind: int) -> tuple[int | bytes, int]:
    if kind == _VARINT:
        return varint(message, at)
    if kind not in (_FIXED64, _BYTES, _FIXED32):
        raise Malformed(f"damaged: a field of the unknown wire type {kind}")
    size = {_FIXED64: 8, _FIXED32: 4}.get(kind)
    if size is None:
        size, at = varint(message, at)
    if size > len(message) - at:
        raise Malformed("damaged: a field reaches beyond its message")
    value = message[at : at + size]
    return (value if kind == _BYTES else int.from_bytes(value, "little")), at + size


def number(found: Fields, field: int) -> int:
    """The last value of a numeric field; 0 if the field is missing. Raises Malformed."""
    value = found.get(field, [0])[-1]
    if not isinstance(value, int):
        raise Malformed(f"damaged: field {field} is not a number")
    return value


def messages(found: Fields, field: int) -> list[Fields]:
    """The messages in a repeated field. Raises Malformed."""
    values = found.get(field, [])
    if any(isinstance(value, int) for value in values):
        raise Malformed(f"damaged: field {field} is not a message")
    return [fields(value) for value in values if isinstance(value, bytes)]


def masked_crc32c(data: bytes) -> int:
    """The crc32c in the form that leveldb stores: rotated right by 15 bits, plus a constant."""
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF
