"""A user's copy of a data set: the files in a folder or in archives, and notes taken while they are read."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path, PurePosixPath

from bench.data.images import DataSetCopy, SourceClass
from bench.data.readers.archives import (
    MOST_BYTES_EACH,
    Others,
    archives_in,
    is_archive,
    is_hidden,
    read_archives,
    read_file,
)
from bench.data.readers.split_names import split_of
from bench.data.splits import some
from bench.errors import UserError, quantity, reason

MOST_FILES = 2_000_000  # all of tieredImageNet is 779,165
Groups = dict[tuple[str, str], list[str]]  # (split, class) -> names of image files
IMAGES = (".jpg", ".jpeg", ".png")
TABLES = (".csv", ".tsv", ".json")
_DATA = (  # files that may contain a data set, or a part of one
    *TABLES, ".jsonl", ".pkl", ".pickle", ".npz", ".npy", ".pt", ".pth", ".hdf5", ".h5", ".mat", ".parquet",
    ".tfrecords", ".zip", ".tar", ".gz", ".tgz", ".xz", ".txz", ".bz2", ".cls",
)  # fmt: skip


class FolderFiles(Mapping[str, bytes]):
    """Path relative to a folder -> content, read on access; hidden files, and files in hidden folders, are left out."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = dict.fromkeys(sorted(islice(_names(folder), MOST_FILES + 1)))
        if len(self._names) > MOST_FILES:
            raise UserError(f"{folder}: more than {MOST_FILES} files: give the folder of the data set itself")

    def __getitem__(self, name: str) -> bytes:
        if name not in self._names:
            raise KeyError(name)
        path = self._folder / name
        return read_file(path) if path.stat().st_size <= MOST_BYTES_EACH else b""

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@dataclass
class Copy:
    """The files of a copy, by path, with notes about them. In archives, only the files that `open_copies` keeps have
    content; `names` has all. `corrupt` is None if a broken image should stop the reading; `packed`: member -> its
    archive."""

    path: Path
    files: Mapping[str, bytes]
    names: list[str]
    corrupt: list[str] | None = None
    notes: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    packed: Mapping[str, Path] = field(default_factory=dict)

    def with_suffix(self, *suffixes: str) -> list[str]:
        """The names of the files with these suffixes, in any case."""
        return [name for name in self.files if name.lower().endswith(suffixes)]

    def paths(self, *suffixes: str) -> dict[str, Path]:
        """Name -> path, of the files with these suffixes; the path of a file in an archive leads into it
        (`packed.open_file`). Empty if the copy is a single file that is not an archive."""
        names = [name for name in self.names if name.lower().endswith(suffixes)]
        return {n: self.packed.get(n, self.path) / n for n in names if n in self.packed or self.path.is_dir()}

    def use(self, path: Path) -> None:
        """Marks a file as read."""
        self.used.update(name for name, found in self.paths(path.suffix).items() if found == path)

    def source(self, kind: str, classes: Iterable[SourceClass], path: Path | None = None) -> DataSetCopy:
        """The data set found in the copy, or in `path`, a part of it."""
        return DataSetCopy(
            path or self.path, kind, tuple(classes), [] if self.corrupt is None else self.corrupt, self.notes
        )

    def note_unread(self) -> None:
        """Notes files that may contain data but were not read."""
        left = [name for name in self.names if _may_tell(name) and name not in self.used]
        if left:
            self.notes.append(f"not read: {some(left, 4)}" + (f" ({len(left)} files)" if len(left) > 4 else ""))


def open_copies(path: Path, keep_going: bool) -> Iterator[Copy]:
    """The files of a folder or archive as they are; then the files of a folder together with those in its archives."""
    if not path.is_dir():
        yield _of_archives(path, [path], keep_going) if is_archive(path) else _copy(path, {}, [path.name], keep_going)
        return
    yield (copy := _copy(path, FolderFiles(path), [], keep_going))
    if archives := [archive for folder in _with_archives(path) for archive in archives_in(folder)]:
        inside = _of_archives(path, archives, keep_going)
        beside = {name: copy.files[name] for name in copy.with_suffix(*TABLES)}
        used = {archive.relative_to(path).as_posix() for archive in archives}
        names = [*copy.names, *inside.names]
        yield replace(inside, files={**inside.files, **beside}, names=names, used=used)


def describe_files(names: Iterable[str]) -> str:
    """A description of the files: how many of which kind, and the first of each."""
    by_suffix: dict[str, list[str]] = {}
    for name in names:
        by_suffix.setdefault(_suffix(name), []).append(name)
    most = sorted(by_suffix.values(), key=len, reverse=True)[:4]
    return (
        "; ".join(f"{len(each)} {_suffix(each[0]) or 'without a suffix'} ({some(each, 1)})" for each in most)
        or "no files"
    )


def describe_folders(names: Iterable[str]) -> str:
    """The top-level folders, and how many files each contains."""
    counts = Counter(PurePosixPath(name).parts[0] for name in names if "/" in name)
    return ", ".join(f"{top}/ ({quantity(count, 'file')})" for top, count in counts.most_common(4))


def _of_archives(path: Path, archives: list[Path], keep_going: bool) -> Copy:
    """The copy in one archive, or in all archives in a folder."""
    others: Others = []
    files = read_archives(archives, (*IMAGES, *TABLES), others)
    packed: dict[str, Path] = {}
    for archive, member in others:
        name = PurePosixPath(member).as_posix()
        if name in packed and name.lower().endswith(_DATA):
            raise UserError(f"{archive}: {name} is in it twice, or in another archive too: keep one of the two")
        packed[name] = archive
    return replace(_copy(path, files, [*packed], keep_going), packed=packed)


def _copy(path: Path, files: Mapping[str, bytes], others: list[str], keep_going: bool) -> Copy:
    return Copy(path, files, [*files, *others], [] if keep_going else None)


def _with_archives(path: Path) -> list[Path]:
    """The folder; if it contains a single folder, also that one, and so on."""
    inner = [each for each in path.iterdir() if each.is_dir() and not is_hidden(each.name)]
    return [path, *(_with_archives(inner[0]) if len(inner) == 1 else [])]


def _names(folder: Path) -> Iterator[str]:
    for top, folders, files in os.walk(folder, onerror=_unreadable, followlinks=True):
        folders[:] = [name for name in folders if not is_hidden(name)]
        below = PurePosixPath(Path(top).relative_to(folder).as_posix())
        yield from ((below / name).as_posix() for name in files if not is_hidden(name))


def _unreadable(error: OSError) -> None:
    raise UserError(f"{error.filename}: cannot be read: {reason(error)}") from error


def _may_tell(name: str) -> bool:
    """Whether a file may contain data, or define splits."""
    stem, suffix = PurePosixPath(name).stem, _suffix(name)
    return name.lower().endswith(_DATA) or (suffix == ".txt" and split_of(stem) is not None)


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
