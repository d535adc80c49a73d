"""Limits for reading a tar file, which may be hostile and must not fill the memory."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Self

from bench.errors import UserError

# First bytes of a file -> function that opens it
_OPENERS: dict[bytes, Any] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
MOST_NAME_BYTES = 1 << 16


class Member(tarfile.TarInfo):
    """Refuses names and attributes that would fill the memory, because tarfile reads them completely."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        member = super().frombuf(buf, encoding, errors)
        if member.size < 0 or (member.type not in tarfile.REGULAR_TYPES and member.size > MOST_NAME_BYTES):
            raise ValueError(f"a name of {member.size} bytes")
        return member


class Bounded(io.RawIOBase):
    """A stream that raises an error when it gets too long, through unwanted content or through names."""

    def __init__(self, stream: BinaryIO, most: int, too_long: Exception) -> None:
        self._stream, self._left, self._too_long = stream, most, too_long

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise self._too_long
        return data


@contextmanager
def open_tar(path: Path, most: int) -> Iterator[tarfile.TarFile]:
    """Context manager: the tar file, compressed or not, to be read sequentially. Raises whatever a damaged one causes,
    and UserError if it is longer than `most` bytes."""
    too_long = UserError(
        f"{path}: refused, because it unpacks to more than {most >> 20} MiB: if you trust it, unpack it "
        "and give the folder"
    )
    with (
        _open_decompressed(path) as stream,
        tarfile.open(fileobj=Bounded(stream, most, too_long), mode="r|", tarinfo=Member) as archive,
    ):
        yield archive


def _open_decompressed(path: Path) -> BinaryIO:
    with open(path, "rb") as file:
        start = file.read(6)
    return next((opened for magic, opened in _OPENERS.items() if start.startswith(magic)), open)(path, "rb")
