"""Reads files from a folder, tar or zip, without unpacking anything on disk.

Archives are untrusted: a member that could only do harm (a link, a device, a path that leaves the archive) is refused,
and so is one that would fill the memory."""

from __future__ import annotations

import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path, PurePosixPath

from bench.data.readers.tar_limits import open_tar
from bench.data.readers.unreadable import damaged_error
from bench.errors import UserError, reason

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")
MOST_MEMBERS = 200_000
MOST_BYTES = 1 << 31  # all of CUB-200-2011 is 1.1 GB
MOST_BYTES_EACH = 1 << 26
_Unread = tuple[str, int, Callable[[], bytes]]  # name, size in bytes, function that reads it
Others = list[tuple[Path, str]]  # archive, member
UNREADABLE = (
    OSError,
    EOFError,
    tarfile.TarError,
    zipfile.BadZipFile,
    lzma.LZMAError,
    zlib.error,
    struct.error,
    NotImplementedError,
    RuntimeError,
    ValueError,
)


def archives_in(folder: Path) -> list[Path]:
    """The tar and zip archives in a folder, by name."""
    return sorted(path for path in folder.iterdir() if is_archive(path))


def is_archive(path: Path) -> bool:
    """Whether the path is a file with the name of a tar or zip archive."""
    return path.name.lower().endswith(ARCHIVES) and path.is_file()


def read_file(path: Path) -> bytes:
    """The content of one file. Raises UserError if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {reason(error)}") from error


def read_archives(paths: list[Path], suffixes: tuple[str, ...], others: Others | None = None) -> dict[str, bytes]:
    """Member path -> content, of the files with these suffixes; archive and path of all others are appended to
    `others`, in the order of `paths`. Raises UserError if an archive is damaged, dangerous or too large, or a path
    occurs twice. Threads help, because decompression releases the interpreter's lock."""
    found: dict[str, bytes] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        read = pool.map(lambda path: _read_archive(path, suffixes), paths)
        for path, (files, passed_over) in zip(paths, read, strict=True):
            if twice := found.keys() & files.keys():
                raise UserError(f"{path}: {min(twice)} is in another archive too: keep one of the two")
            found |= files
            if others is not None:
                others += passed_over
    return found


def read_stored(path: Path) -> dict[str, bytes]:
    """Member path -> content, of a zip archive of plain files, none of them compressed or encrypted, so that it cannot
    contain more than its size. Raises UserError if it is anything else, damaged, or too large."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = list(_plain_members(path, archive))
            for member in members:
                if member.is_dir() or member.compress_type or member.flag_bits & 1 or member.comment or member.extra:
                    raise UserError(f"{path}: refused, because {member.filename} is not a plain stored file")
            return _within_limits(path, ((m.filename, m.file_size, partial(archive.read, m)) for m in members))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except UNREADABLE as error:
        raise damaged_error(path, error) from error


def _read_archive(path: Path, suffixes: tuple[str, ...]) -> tuple[dict[str, bytes], Others]:
    """The files with these suffixes, and the others: a list of its own, because archives are read at the same time."""
    members = _zip_members if path.name.lower().endswith(".zip") else _tar_members
    others: Others = []
    try:
        return _within_limits(path, members(path, suffixes, others)), others
    except UNREADABLE as error:
        raise damaged_error(path, error) from error


def _within_limits(where: Path, members: Iterable[_Unread]) -> dict[str, bytes]:
    """Reads (name, size, read) triples; raises UserError if a limit is exceeded."""
    found: dict[str, bytes] = {}
    total = 0
    for name, size, read in members:
        total += size
        if size > MOST_BYTES_EACH or total > MOST_BYTES or len(found) >= MOST_MEMBERS:
            raise UserError(
                f"{where}: more than {MOST_MEMBERS} files, {MOST_BYTES >> 20} MiB in all or {MOST_BYTES_EACH >> 20} MiB"
                f" in one ({name}), so it is refused: if you trust it, unpack it and give the folder"
            )
        if name in found:
            raise UserError(f"{where}: {name} is in it twice: keep one of the two")
        found[name] = read()
    return found


def _tar_members(path: Path, suffixes: tuple[str, ...], others: Others) -> Iterator[_Unread]:
    with open_tar(path, most_of(path)) as archive:
        for seen, member in enumerate(archive):
            _check_name(path, member.name, seen)
            if not (member.isreg() or member.isdir()):
                raise UserError(f"{path}: {member.name} is a link or a device, so it is refused: pack plain files only")
            if not member.isreg() or _is_in_hidden(member.name):
                continue
            if member.name.lower().endswith(suffixes):
                yield member.name, member.size, partial(_content, archive, member)
            else:
                others.append((path, member.name))


def most_of(path: Path) -> int:
    """The largest number of bytes that an archive may contain, including 1 KiB for the name of each file. Content that
    compresses more than four times is not images, and only takes time."""
    return MOST_BYTES + 4 * path.stat().st_size + (MOST_MEMBERS << 10)


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None  # because it is a regular file
    return file.read()


def _zip_members(path: Path, suffixes: tuple[str, ...], others: Others) -> Iterator[_Unread]:
    with zipfile.ZipFile(path) as archive:
        for member in _plain_members(path, archive):
            name = zip_name(member)
            if name.endswith("/") or _is_in_hidden(name):
                continue
            if name.lower().endswith(suffixes):
                yield name, member.file_size, partial(archive.read, member)
            else:
                others.append((path, name))


def zip_name(member: zipfile.ZipInfo) -> str:
    """The path of a member; some programs on Windows separate folders by backslashes."""
    return member.filename.replace("\\", "/")


def _plain_members(path: Path, archive: zipfile.ZipFile) -> Iterator[zipfile.ZipInfo]:
    """Files and folders. Raises UserError for anything else, and for a name that leaves the archive."""
    for seen, member in enumerate(archive.infolist()):
        _check_name(path, member.filename, seen)
        if not member.filename:
            raise UserError(f"{path}: refused, because it holds a file without a name")
        if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise UserError(f"{path}: {member.filename} is a link or a device, so it is refused: pack plain files only")
        yield member


def is_hidden(name: str) -> bool:
    """Whether a name is reserved for files of a system or program, such as the `._` files of macOS."""
    return name.startswith((".", "__MACOSX", "@eaDir"))


def _is_in_hidden(name: str) -> bool:
    return any(map(is_hidden, PurePosixPath(name).parts))


def _check_name(path: Path, name: str, seen: int) -> None:
    if name.startswith(("/", "\\")) or ".." in PurePosixPath(name.replace("\\", "/")).parts or name[1:2] == ":":
        raise UserError(f"{path}: refused, because {name} points outside the archive: pack relative paths")
    if seen >= MOST_MEMBERS:
        raise UserError(
            f"{path}: refused, because it holds more than {MOST_MEMBERS} files, more than any data set read here"
        )
