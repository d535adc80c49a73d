"""The classes of a user's own images, from tables beside them, in the forms of well-known data sets."""

from __future__ import annotations

import io
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath

from bench.data.readers.class_lists import named_classes
from bench.data.readers.copies import Copy
from bench.data.readers.image_classes import ImagePlaces
from bench.data.readers.own_classes import OwnClass
from bench.data.readers.split_names import split_of
from bench.data.readers.tables import Rows, csv_rows, csv_splits, is_image_table, json_line_rows, split_tables
from bench.errors import UserError, quantity, reason

_LABELS = ("labels", "metadata")  # Meta-Album's, Hugging Face's
_MOST_MAT = 1 << 16
Found = list[OwnClass]


def in_tables(copy: Copy, images: list[str]) -> tuple[Found, str]:
    """The classes from the first kind of table that exists, and which tables these are; empty if there are none."""
    for read in (in_split_tables, in_class_lists, _in_labels, _in_aircraft, _in_flowers):
        found, how = read(copy, images)
        if found:
            return found, how
    return [], ""


def in_split_tables(copy: Copy, images: list[str]) -> tuple[Found, str]:
    """Reads `{train,val,test}.csv` or `{base,val,novel}.json`: StanfordDog, StanfordCar, FEAT's and LibFewShot's
    CUB."""
    tables = split_tables(copy) if images else {}
    rows = [(split, table.rows) for split, table in tables.items() if split]
    if len(rows) < 3:
        return [], ""
    return _of_rows(copy, images, rows), f"the split of {', '.join(table.name for table in tables.values())}"


def in_class_lists(copy: Copy, images: list[str]) -> tuple[Found, str]:
    """Reads lists of classes, such as easyfsl's JSON; the classes are folders."""
    split = named_classes(copy, {PurePosixPath(name).parent.name for name in images})
    classes = defaultdict(list)
    for name in images:
        if (folder := PurePosixPath(name).parent.name) in split:
            classes[folder].append(name)
    left = len(images) - sum(map(len, classes.values()))
    copy.notes += [f"left out: {quantity(left, 'image')} of classes that are in no list"] if classes and left else []
    return [OwnClass(split[c], c, names) for c, names in sorted(classes.items())], "the split of lists of classes"


def _in_labels(copy: Copy, images: list[str]) -> tuple[Found, str]:
    """Reads one table of all images, or one in each of the folders `train/`, `validation/` and `test/`."""
    tables = [n for n in copy.with_suffix(".csv", ".tsv") if is_image_table(copy.files[n])]
    lines = [n for n in copy.with_suffix(".jsonl") if PurePosixPath(n).stem.lower() in _LABELS]
    named = [n for n in tables if PurePosixPath(n).stem.lower() in _LABELS] + lines
    found = named or (tables if len(tables) == 1 else [])
    splits = {name: split_of(PurePosixPath(name).parent.name) for name in found}
    if None in splits.values() and len(found) > 1:
        raise UserError(
            f"{copy.path}: {', '.join(found[:3])}: several tables of images: give the folder of a single data set"
        )
    copy.used.update(found)
    rows = [(split if len(found) > 1 else None, _rows(copy, name)) for name, split in splits.items()]
    if len(found) == 1 and (by_column := _by_column(copy, found[0], rows[0][1])):
        return _of_rows(copy, images, by_column), f"classes and split of {found[0]}"
    return _of_rows(copy, images, rows), f"the classes of {', '.join(found)}"


def _rows(copy: Copy, name: str) -> Rows:
    where, folder = f"{copy.path}: {name}", PurePosixPath(name).parent
    rows = (json_line_rows if name.lower().endswith(".jsonl") else csv_rows)(copy.files[name], where)
    if len(rows) > 1 and len({label for _, label in rows}) == len(rows):
        raise UserError(
            f"{where}: no two of its images have the same class: move it elsewhere if its columns do not name classes"
        )
    return [((folder / file).as_posix(), label) for file, label in rows]


def _by_column(copy: Copy, name: str, rows: Rows) -> list[tuple[str | None, Rows]]:
    """The rows grouped by a column with splits; empty if there is none, or if it splits the images of a class."""
    splits = [] if name.lower().endswith(".jsonl") else csv_splits(copy.files[name], name) or []
    if len(splits) != len(rows):
        return []
    by_class: dict[str, set[str]] = defaultdict(set)
    for split, (_, label) in zip(splits, rows, strict=True):
        by_class[label].add(split)
    if any(len(said) > 1 for said in by_class.values()):
        copy.notes.append(f"the splits in {name} are splits of images, not of classes: only its classes were used")
        return []
    return [
        (split, [row for s, row in zip(splits, rows, strict=True) if s == split]) for split in dict.fromkeys(splits)
    ]


def _in_aircraft(copy: Copy, images: list[str]) -> tuple[Found, str]:
    """Reads FGVC-Aircraft's `images_variant_{train,val,test}.txt`, with lines such as `1025794 707-320`; they split
    images, not classes."""
    names = [
        n
        for n in copy.with_suffix(".txt")
        if re.fullmatch(r"images_variant_(train|val|test)\.txt", PurePosixPath(n).name)
    ]
    rows: Rows = []
    for name in names:
        lines = copy.files[name].decode("utf-8", "replace").splitlines()
        rows += [
            (f"{image}.jpg", variant.strip())
            for image, _, variant in (line.partition(" ") for line in lines)
            if variant
        ]
    if names:
        copy.used.update(n for n in copy.with_suffix(".txt") if PurePosixPath(n).name.startswith("images_"))
        copy.notes.append("images_variant_*.txt split images, not classes: only their classes were used")
    return _of_rows(
        copy, images, [(None, rows)]
    ), "the classes of images_variant_*.txt, with the banner below each image cropped"


def _in_flowers(copy: Copy, images: list[str]) -> tuple[Found, str]:
    """Reads VGG Flower's `imagelabels.mat`: the classes, 1 to 102, of `jpg/image_00001.jpg` and so on."""
    name = next((n for n in copy.with_suffix(".mat") if PurePosixPath(n).name == "imagelabels.mat"), None)
    if name is None:
        return [], ""
    copy.used.add(name)
    labels = _mat_labels(copy.files[name], f"{copy.path}: {name}")
    rows = [(f"image_{k:05}.jpg", f"class {label:03}") for k, label in enumerate(labels, 1)]
    return _of_rows(copy, images, [(None, rows)]), "the classes of imagelabels.mat, which are numbers"


def _mat_labels(data: bytes, where: str) -> list[int]:
    from scipy.io import loadmat

    try:
        if len(data) > _MOST_MAT:
            raise ValueError(f"more than {_MOST_MAT} bytes")
        return [int(k) for k in loadmat(io.BytesIO(data), variable_names=["labels"])["labels"].ravel()]
    except Exception as error:  # a damaged file may raise anything
        raise UserError(f"{where}: not VGG Flower's table of labels ({reason(error)}): get it again") from error


def _of_rows(copy: Copy, images: list[str], tables: Sequence[tuple[str | None, Rows]]) -> Found:
    """The classes of the images that rows name. Images that no row names, and rows without a file, are noted."""
    places, lost = ImagePlaces(copy.path, images), 0
    groups: dict[tuple[str | None, str], list[str]] = defaultdict(list)
    for split, rows in tables:
        for row, label in rows:
            found = places.of(row, label)
            groups[split, label] += [found] if found else []
            lost += found is None
    named = {name for names in groups.values() for name in names}
    if groups and not named:
        first = next(row for _, rows in tables for row, _ in rows)
        raise UserError(
            f"{copy.path}: a table lists {quantity(lost, 'image')} (first {first}), but none is there: use one copy"
        )
    if lost:
        copy.notes.append(f"missing: {quantity(lost, 'image')} that the tables list")
    if groups and len(images) > len(named):
        copy.notes.append(f"left out: {quantity(len(images) - len(named), 'image')} in no table")
    return [OwnClass(split, label, names) for (split, label), names in sorted(groups.items(), key=str)]
