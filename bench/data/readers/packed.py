"""Opens single files, on disk or in a tar or zip archive, without unpacking anything.

A path leads into an archive if one of its parents is one: `copy.tar.gz/sets/train.pkl`."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from bench.data.readers.archives import is_archive, most_of, zip_name
from bench.data.readers.tar_limits import open_tar
from bench.data.readers.unreadable import not_opened_error
from bench.errors import UserError


def archive_of(path: Path) -> Path | None:
    """The archive that a path leads into, or None."""
    return next((parent for parent in path.parents if is_archive(parent)), None)


def on_disk(path: Path) -> Path:
    """The path itself. Raises UserError if it leads into an archive."""
    if archive := archive_of(path):
        raise UserError(
            f"{archive} holds {path.relative_to(archive)}, which can only be read from disk: unpack it first "
            "(`tar xf` or `unzip`) and give the folder"
        )
    return path


@contextmanager
def open_file(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """Context manager: the file, to be read sequentially, and its size in bytes, as claimed. Raises UserError if that
    is too large, and whatever a damaged archive causes."""
    archive = archive_of(path)
    if archive is None:
        with open(path, "rb") as file:
            yield file, path.stat().st_size
        return
    name = PurePosixPath(path.relative_to(archive).as_posix())
    opened = _in_zip if archive.name.lower().endswith(".zip") else _in_tar
    with opened(archive, name) as (file, size):
        if size > most_of(archive):
            raise UserError(f"{path}: {size >> 20} MiB in a far smaller archive, so it is refused")
        yield file, size


@contextmanager
def _in_zip(path: Path, name: PurePosixPath) -> Iterator[tuple[BinaryIO, int]]:
    with zipfile.ZipFile(path) as archive:
        member = next((each for each in archive.infolist() if PurePosixPath(zip_name(each)) == name), None)
        if member is None:
            raise FileNotFoundError(2, "it is not in the archive")
        try:
            opened = archive.open(member)
        except RuntimeError as error:
            raise not_opened_error(path, error) from error
        with opened as file:
            yield file, member.file_size  # type: ignore[misc]


@contextmanager
def _in_tar(path: Path, name: PurePosixPath) -> Iterator[tuple[BinaryIO, int]]:
    with open_tar(path, most_of(path)) as archive:
        member = next((each for each in archive if PurePosixPath(each.name) == name and each.isreg()), None)
        file = archive.extractfile(member) if member else None
        if member is None or file is None:
            raise FileNotFoundError(2, "it is not in the archive")
        yield file, member.size  # type: ignore[misc]
