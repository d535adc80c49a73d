"""Limits on a tar while it is read: it is a stranger's, and must not fill the memory."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import BinaryIO, Self

from bench.errors import UserError

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
    """A stream that ends with a UserError where it grows too long, be it by what is not wanted, or by names."""

    def __init__(self, path: Path, stream: BinaryIO, most_bytes: int, most_members: int) -> None:
        self._path, self._stream, self._most = path, stream, most_bytes
        self._left = most_bytes + most_members * tarfile.BLOCKSIZE * 2

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise UserError(f"{self._path}: more than {self._most >> 20} MiB: these are not the small images expected")
        return data
