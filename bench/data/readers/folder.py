"""A user's own images: a folder per class, or `train/`, `valid/` and `test/` with a folder per class each.

Where no split is given, classes are split as miniImageNet's are, 64 : 16 : 20, in the order of a hash of a seed and
their names: which class lands where depends on nothing else, and a class that is added moves few others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from bench.data.images import Source, SourceClass
from bench.data.readers.archives import MOST_BYTES_EACH, read_file
from bench.data.readers.image_files import decode, fitted, readable_suffixes
from bench.errors import UserError
from bench.protocols.benchmarks import SPLITS

SPLIT_NAMES = {"train": "train", "valid": "valid", "val": "valid", "validation": "valid", "test": "test"}
SHARES = {"valid": 0.16, "test": 0.20}  # the rest are training classes


def open_source(path: Path, keep_going: bool, side: int, grey: bool, seed: int | None) -> Source:
    """The classes below `path`, each image [side, side], grey or in colour. Files that cannot be decoded are all
    found before anything is refused, whatever `keep_going`. `seed` of the split, where the folders are none: 0 if it is
    None. Raises UserError where a class or split lacks."""
    folders = _folders(path)
    given = _are_splits(path, folders)
    if given and seed is not None:
        raise UserError(f"{path}: --split-seed {seed}, but the folders in it are the split: leave one of both away")
    classes = list(_given(path, folders) if given else _split(path, folders, seed or 0))
    corrupt: list[str] = []
    made = [_class(path, split, folder, side, "L" if grey else "RGB", corrupt) for split, folder in classes]
    how = "the split of the folders" if given else f"split by seed {seed or 0}"
    everywhere, images = len(_files(path)), sum(_is_image(file) for _, folder in classes for file in _files(folder))
    if others := everywhere - images:
        how += f", {others} other file{'s' * (others > 1)} ignored"
    return Source(path, f"a folder per class, {how}", tuple(made), corrupt)


def split_by_seed(names: Sequence[str], seed: int) -> dict[str, str]:
    """Class name -> split; at least one class each. Raises UserError where there are fewer than three."""
    if len(names) < len(SPLITS):
        raise UserError(f"{len(names)} classes, and {len(SPLITS)} are needed: one for each split at least")
    ordered = sorted(names, key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).digest())
    valid, test = (max(1, round(share * len(names))) for share in SHARES.values())
    splits = ["valid"] * valid + ["test"] * test + ["train"] * (len(names) - valid - test)
    return dict(zip(ordered, splits, strict=True))


def _are_splits(path: Path, folders: Sequence[Path]) -> bool:
    """Whether the folders are splits, and not classes, of which one may be called `train` too: it has no folders in
    it. Raises UserError where others stand beside splits."""
    named = [folder for folder in folders if folder.name.lower() in SPLIT_NAMES]
    splits = [folder for folder in named if _folders(folder)]
    others = [folder.name for folder in folders if folder not in named]
    if splits and others:
        beside = ", ".join(folder.name for folder in splits)
        raise UserError(f"{path}: {', '.join(others[:5])} beside the splits {beside}: move it elsewhere")
    return bool(named) and not others


def _folders(path: Path) -> list[Path]:
    if not path.is_dir():
        raise UserError(f"{path}: no folder: give the one that holds a folder per class")
    found = (folder for folder in path.iterdir() if folder.is_dir() and not _is_hidden(folder.name))
    return sorted(map(_printable, found))


def _printable(path: Path) -> Path:
    """The path, which manifests and reports will show. Raises UserError where its name is no text of one line."""
    if not path.name.isprintable():
        raise UserError(f"{str(path)!a}: its name is no text of one line: call it otherwise")
    return path


def _given(path: Path, folders: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """(split, folder) of every class. Raises UserError where a split is missing, or a class stands in two."""
    owner: dict[str, Path] = {}
    for split in SPLITS:
        found = [inner for folder in folders if SPLIT_NAMES[folder.name.lower()] == split for inner in _folders(folder)]
        if not found:
            raise UserError(f"{path}: no class folders for the split {split!r}: give all of {', '.join(SPLITS)}")
        for folder in found:
            if folder.name in owner:
                raise UserError(
                    f"{path}: class {folder.name} stands in {owner[folder.name].parent.name} and in "
                    f"{folder.parent.name}, but splits are of whole classes: put all of its images into one"
                )
            owner[folder.name] = folder
            yield split, folder


def _split(path: Path, folders: Sequence[Path], seed: int) -> Iterator[tuple[str, Path]]:
    try:
        owner = split_by_seed([folder.name for folder in folders], seed)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return ((owner[folder.name], folder) for folder in folders)


def _class(path: Path, split: str, folder: Path, side: int, mode: str, corrupt: list[str]) -> SourceClass:
    names = [_printable(file).relative_to(path).as_posix() for file in _files(folder) if _is_image(file)]
    return SourceClass(folder.name, split, len(names), partial(_read, path, names, side, mode, corrupt))


def _files(folder: Path) -> list[Path]:
    """All files in a folder and below, but for hidden ones, and those in hidden folders."""
    found = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return [file for file in found if not any(map(_is_hidden, file.relative_to(folder).parts))]


def _is_hidden(name: str) -> bool:
    """Whether a system or a program keeps things of its own there."""
    return name.startswith((".", "__MACOSX", "@eaDir"))


def _is_image(file: Path) -> bool:
    return file.suffix.lower() in readable_suffixes()


def _read(path: Path, names: Sequence[str], side: int, mode: str, corrupt: list[str]) -> np.ndarray:
    files = {name: _content(path / name) for name in names}
    return decode(files, names, side, mode, corrupt, fitted)


def _content(file: Path) -> bytes:
    """What is too large for an image file is not read at all, and so no image."""
    return read_file(file) if file.stat().st_size <= MOST_BYTES_EACH else b""
