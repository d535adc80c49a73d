"""A user's own images: a folder per class, or `train/`, `valid/` and `test/` with a folder per class each, or tables
with the class of each image.

If no split is given, classes are split 64 : 16 : 20 as in miniImageNet, in the order of a hash of a seed and their
names: the split of a class depends on nothing else, and adding a class moves few others."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath

from bench.data.forms import FORMS
from bench.data.images import DataSetCopy, SourceClass
from bench.data.readers.copies import Copy, FolderFiles
from bench.data.readers.image_files import Reader, decode, decode_to_fit, readable_suffixes, without_banner
from bench.data.readers.masks import MASKED, without_mask_folders, without_masks_of
from bench.data.readers.own_classes import OwnClass, check_one_split_each, in_folders
from bench.data.readers.own_tables import in_tables
from bench.data.readers.recognised import are_of, command, recognise
from bench.data.readers.refusals import no_images
from bench.data.splits import some
from bench.errors import UserError, quantity
from bench.protocols.benchmarks import SPLITS

IN_ONE = (
    ": all images are in one folder, and nothing names their classes: put those of each class into PATH/CLASS/, "
    "or add labels.csv with the columns filename,label"
)
SHARES = {"valid": 0.16, "test": 0.20}  # the rest are training classes


def open_source(
    path: Path, keep_going: bool, side: int, grey: bool, seed: int | None, levels: int | None = None
) -> DataSetCopy:
    """The classes below `path`, with each image [side, side], grey or in colour. All files that cannot be decoded are
    found before anything is refused, whatever `keep_going`. `seed`: of the split, if nothing in the copy defines one
    (None: 0); `levels`: the depth of the class folders. Raises UserError if a class or a split is missing."""
    copy, images = _files(path)
    whole, images = images, without_mask_folders(images)
    copy.notes += [MASKED.format(len(whole) - len(images))] if len(images) < len(whole) else []
    tables, how = in_tables(copy, images) if levels is None else ([], "")
    found = tables or in_folders(path, images, levels or 1)
    classes, how = _with_splits(path, found, seed, how)
    kept = _without_masks(copy, classes)
    _note_deeper(copy, kept)
    _check_known(copy, kept, side, seed, "seed" in how)
    copy.note_unread()
    shown = sum(len(each.files) for each in classes)
    others = len(copy.files) - shown
    how += f", {others} other file{'s' * (others > 1)} ignored" if others else ""
    reader = without_banner if "banner" in how else decode_to_fit
    corrupt: list[str] = []
    made = tuple(_class(copy, each, side, "L" if grey else "RGB", corrupt, reader) for each in kept)
    return DataSetCopy(path, f"{'tables' if tables else 'a folder per class'}, {how}", made, corrupt, copy.notes)


def _files(path: Path) -> tuple[Copy, list[str]]:
    """The files below `path`, and those that are images. Raises UserError if there are none, or if a name is not
    printable text on one line, because manifests and reports show it."""
    if not path.is_dir():
        raise UserError(f"{path}: not a folder: give the one that holds a folder per class (unpack an archive first)")
    files = FolderFiles(path)
    images = [name for name in files if Path(name).suffix.lower() in readable_suffixes()]
    for name in [*images, *(folder.name for folder in path.iterdir() if folder.is_dir())]:
        if not name.isprintable():
            raise UserError(f"{f'{path}/{name}'!a}: its name is not one line of text: rename it")
    copy = Copy(path, files, list(files))
    if not images:
        raise no_images(copy, FORMS["folder"])
    return copy, images


def _with_splits(path: Path, found: list[OwnClass], seed: int | None, how: str) -> tuple[list[OwnClass], str]:
    """The classes, each with its split, and how the split was found."""
    given = any(each.split for each in found)
    if given and seed is not None:
        raise UserError(
            f"{path}: --split-seed {seed}, but its folders or tables define the split already: remove one of the two"
        )
    if given:
        check_one_split_each(path, found)
        return sorted(found, key=lambda each: SPLITS.index(each.split or "train")), how or "the split of the folders"
    try:
        owner = split_by_seed([each.name for each in found], seed or 0)
    except UserError as error:
        names = f" (there: {some([each.name for each in found])})" if found else ""
        raise UserError(
            f"{path}: {error}{names}{IN_ONE if sum(map(bool, (each.files for each in found))) < 2 else ''}"
        ) from error
    by_seed = f"split by seed {seed or 0}"
    return [replace(each, split=owner[each.name]) for each in found], f"{how}, {by_seed}" if how else by_seed


def _without_masks(copy: Copy, classes: Sequence[OwnClass]) -> list[OwnClass]:
    kept = [replace(each, files=without_masks_of(each.files)) for each in classes]
    left = sum(len(each.files) for each in classes) - sum(len(each.files) for each in kept)
    copy.notes += [MASKED.format(left)] if left else []
    return kept


def _note_deeper(copy: Copy, classes: Sequence[OwnClass]) -> None:
    """Notes images in folders below other images of their class."""
    parents = [[PurePosixPath(name).parent for name in each.files] for each in classes]
    deeper = [p for each in parents for p in each if any(above in p.parents for above in set(each))]
    if deeper:
        copy.notes.append(
            f"included: {quantity(len(deeper), 'image')} in folders below those of their classes ({deeper[0]}, ...)"
        )


def _check_known(copy: Copy, classes: Sequence[OwnClass], side: int, seed: int | None, by_seed: bool) -> None:
    """Raises UserError for classes of a known data set, which has its own command and split: if they are split at
    random without an explicit request, or exactly as in that data set. Otherwise notes how they are split."""
    names = [each.name for each in classes]
    found = recognise(names)
    if not found:
        return
    same = [known for known in found if all(known.split[each.name] == each.split for each in classes)]
    known = same or found
    if by_seed and seed is None:
        raise UserError(
            f"{copy.path}: {are_of(names, known)}, which has its own split: {command(known, copy.path)}; to split "
            "these at random anyway, add --split-seed 0"
        )
    if same and side == same[0].side:
        raise UserError(f"{copy.path}: {are_of(names, same)}, in its own split: {command(same, copy.path)}")
    how = "in its own split" if same else "in another split than the published one"
    copy.notes.append(f"{are_of(names, known)}, {how}: no published number is for these images")


def split_by_seed(names: Sequence[str], seed: int) -> dict[str, str]:
    """Class name -> split, with at least one class each. Raises UserError for fewer than three classes."""
    if len(names) < len(SPLITS):
        raise UserError(f"{quantity(len(names), 'class')}: at least {len(SPLITS)} are needed, one for each split")
    ordered = sorted(names, key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).digest())
    valid, test = (max(1, round(share * len(names))) for share in SHARES.values())
    splits = ["valid"] * valid + ["test"] * test + ["train"] * (len(names) - valid - test)
    return dict(zip(ordered, splits, strict=True))


def _class(copy: Copy, each: OwnClass, side: int, mode: str, corrupt: list[str], reader: Reader) -> SourceClass:
    read = partial(decode, copy.files, each.files, side, mode, corrupt, reader)
    return SourceClass(each.name, each.split or "train", len(each.files), read)
