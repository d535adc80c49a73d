"""Images in Parquet, as on Hugging Face: a column of `{bytes, path}`, one of labels, and one or more files per
split."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.data.images import SourceClass
from bench.data.readers.copies import Copy
from bench.data.readers.image_files import decode
from bench.data.readers.packed import on_disk
from bench.data.readers.split_names import split_of
from bench.data.splits import in_two_splits, some
from bench.errors import UserError, reason

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_IMAGES, _LABELS = ("image", "img"), ("label", "fine_label", "labels")
Places = dict[str, tuple[Path, int]]  # a name for messages -> (file, row)


def classes(
    copy: Copy, side: int, class_of: Callable[[str], str | None], corrupt: list[str] | None
) -> Iterator[SourceClass]:
    """The classes by split. Raises UserError if labels have no names, or a class is in several splits."""
    groups: dict[tuple[str, str], Places] = defaultdict(dict)
    for name, path in copy.paths(".parquet").items():
        split = split_of(PurePosixPath(name).stem) or split_of(PurePosixPath(name).parent.name)
        if split is None:
            continue
        copy.used.add(name)
        for row, label in enumerate(labels(path, class_of)):
            groups[split, label][f"{name}: row {row}"] = (path, row)
    _check_splits(copy, list(groups))
    for (split, label), places in groups.items():
        yield SourceClass(label, split, len(places), partial(_read, places, side, corrupt))


def all_together(
    copy: Copy, side: int, class_of: Callable[[str], str | None], numbered: Sequence[str], corrupt: list[str] | None
) -> Iterator[tuple[str, int, Callable[[], np.ndarray]]]:
    """(class, number of images, function that reads them), over all files together; `numbered`: the names of the
    labels, if the schema has none."""
    groups: dict[str, Places] = defaultdict(dict)
    for name, path in copy.paths(".parquet").items():
        copy.used.add(name)
        for row, label in enumerate(_names_of_rows(path, numbered)):
            groups[class_of(label) or label][f"{name}: row {row}"] = (path, row)
    for name, places in groups.items():
        yield name, len(places), partial(_read, places, side, corrupt)


def _names_of_rows(path: Path, numbered: Sequence[str]) -> list[str]:
    with _whole(path):
        file = _open(on_disk(path))
        column = _column(path, file, ("fine_label", "label"))
        found = file.read([column])[column].to_pylist()
        names = _names(file, column) or numbered
    if all(isinstance(each, str) for each in found):
        return found
    if not all(type(k) is int and 0 <= k < len(names) for k in found):
        raise UserError(f"{path}: {column} does not hold only numbers below {len(names)}: get it again")
    return [names[k] for k in found]


def labels(path: Path, class_of: Callable[[str], str | None]) -> list[str]:
    """The class of every row: the name that the schema has for its number, or the class in the image's path."""
    with _whole(path):
        file = _open(on_disk(path))
        column = _column(path, file, _LABELS)
        names = _names(file, column)
        numbers = file.read([column])[column].to_pylist()
        if not names and numbers and all(isinstance(k, str) for k in numbers):
            return [class_of(k) or k for k in numbers]
        if names and all(type(k) is int and 0 <= k < len(names) for k in numbers):
            return [class_of(names[k]) or names[k] for k in numbers]
        paths = [(value or {}).get("path") for value in _column_of_images(path, file).to_pylist()]
    found = [name for p in paths if p and (name := class_of(p)) is not None]
    if len(found) < len(paths):
        raise UserError(
            f"{path}: its labels are numbers ({some(sorted({str(k) for k in numbers}))}) but neither the schema "
            "nor the images' paths name the classes, so it is unknown which they are: use a copy that has the names "
            "(images with train.csv, val.csv, test.csv, or one folder per class)"
        )
    return found


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    """Context manager that raises UserError if reading a table shows that it is damaged."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, LookupError, AttributeError, TypeError, ValueError) as error:
        raise UserError(f"{path}: damaged, or not a Parquet table of images: {reason(error)}: get it again") from error


def _open(path: Path) -> pq.ParquetFile:
    import pyarrow.parquet as pq  # most commands do not need it

    return pq.ParquetFile(path)


def _check_splits(copy: Copy, keys: list[tuple[str, str]]) -> None:
    if twice := in_two_splits(keys):
        raise UserError(
            f"{copy.path}: {len(twice)} classes ({some(twice)}) are in the files of two splits: that is a split of "
            "images, for classification (timm/mini-imagenet is one), and not of classes: use a copy in the split of "
            "Ravi & Larochelle"
        )


def _column(path: Path, file: pq.ParquetFile, known: tuple[str, ...]) -> str:
    names = file.schema_arrow.names
    if found := next((name for name in known if name in names), None):
        return found
    raise UserError(f"{path}: columns {some(names, 5)}, but none of {', '.join(known)}: use a copy in another form")


def _names(file: pq.ParquetFile, column: str) -> list[str]:
    """The class names in Hugging Face's metadata; empty if there are none."""
    try:
        features = json.loads((file.schema_arrow.metadata or {})[b"huggingface"])["info"]["features"]
        return [str(name) for name in features[column]["names"]]
    except (KeyError, TypeError, ValueError, RecursionError):
        return []


def _column_of_images(path: Path, file: pq.ParquetFile) -> Any:
    return file.read([f"{_column(path, file, _IMAGES)}.path"]).column(0)


def _read(places: Places, side: int, corrupt: list[str] | None) -> np.ndarray:
    return decode(_content(places), list(places), side, "RGB", corrupt)


def _content(places: Places) -> Mapping[str, bytes]:
    """The image files in these rows; only the row groups that contain them are read."""
    by_path: dict[Path, dict[int, str]] = defaultdict(dict)
    for name, (path, row) in places.items():
        by_path[path][row] = name
    found: dict[str, bytes] = {}
    for path, names in by_path.items():
        with _whole(path):
            found |= {names[row]: data for row, data in _rows(path, names)}
    return found


def _file(value: Any) -> bytes:
    """An image file from the column, which holds its bytes, or its bytes and path."""
    return value if isinstance(value, bytes) else (value or {}).get("bytes") or b""


def _rows(path: Path, wanted: Collection[int]) -> Iterator[tuple[int, bytes]]:
    """(row, image file) for the wanted rows; empty bytes for a row without a file."""
    file, first = _open(path), 0
    for group in range(file.num_row_groups):
        rows = [row for row in wanted if first <= row < first + file.metadata.row_group(group).num_rows]
        column = file.read_row_group(group, [_column(path, file, _IMAGES)]).column(0) if rows else ()
        yield from ((row, _file(column[row - first].as_py())) for row in rows)
        first += file.metadata.row_group(group).num_rows
