"""Limits on a tar while it is read: it is a stranger's, and must not fill the memory."""

from __future__ import annotations

import io
import tarfile
from typing import BinaryIO, Self

MOST_NAME_BYTES = 1 << 16


class Member(tarfile.TarInfo):
    """Refuses names and attributes that would fill the memory: tarfile reads them whole."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        member = super().frombuf(buf, encoding, errors)
        if member.size < 0 or (member.type not in tarfile.REGULAR_TYPES and member.size > MOST_NAME_BYTES):
            raise ValueError(f"a name of {member.size} bytes")
        return member


class Bounded(io.RawIOBase):
    """A stream that ends with an error where it grows too long, be it by what is not wanted, or by names."""

    def __init__(self, stream: BinaryIO, most: int, too_long: Exception) -> None:
        self._stream, self._left, self._too_long = stream, most, too_long

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise self._too_long
        return data
