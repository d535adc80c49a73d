"""Lists of images with their classes, one file per split: CSV, or JSON as in `filelists` (`base.json` and others)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from bench.data.readers.copies import IMAGES, TABLES, Copy
from bench.data.readers.split_names import as_splits, split_of
from bench.errors import UserError

FILE_COLUMNS = ("filename", "file_name", "file", "image", "image_name", "image_path", "path", "name", "id", "img")
CLASS_COLUMNS = ("label", "class", "class_name", "category", "wnid", "labels", "concept_label")
SPLIT_COLUMNS = ("split", "set", "subset", "partition", "phase")
Rows = list[tuple[str, str]]


@dataclass(frozen=True)
class ClassTable:
    """One list: (path of an image, with `/`; label) for every row."""

    name: str
    rows: Rows


def split_tables(copy: Copy) -> dict[str, ClassTable]:
    """Split -> its table, for tables in one folder, anywhere in the copy; the folder with the most splits if there are
    several. Raises UserError if one is not a table of images."""
    folders: dict[str, list[str]] = {}
    for name in copy.with_suffix(*TABLES):
        folders.setdefault(str(PurePosixPath(name).parent), []).append(name)
    groups = [_by_split(names) for names in folders.values()]
    named = max(groups, key=lambda group: (len(group), -len(str(next(iter(group.values()), "")))), default={})
    tables = {split: ClassTable(name, rows) for split, name in named.items() if (rows := _read(copy, name)) is not None}
    copy.used.update(table.name for table in tables.values())
    return tables


def _by_split(names: Sequence[str]) -> dict[str, str]:
    """Split -> name; if two tables name the same split in different words, or as CSV and JSON, the first."""
    stems = {PurePosixPath(name).stem: name for name in sorted(names, reverse=True)}
    return {split: stems[stem] for stem, split in reversed(as_splits(sorted(stems)).items())}


def _read(copy: Copy, name: str) -> Rows | None:
    """The rows of a table; None for a JSON file of another form."""
    where = f"{copy.path}: {name}"
    if name.lower().endswith(".json"):
        return _json_rows(copy.files[name])
    return csv_rows(copy.files[name], where)


def csv_rows(data: bytes, where: str) -> Rows:
    """(file, label) for every row. Without a header, the column with only image file names is the files'. Raises
    UserError if the columns cannot be identified."""
    lines = _lines(data, where)
    header = [cell.lower() for cell in lines[0]] if lines else ["filename", "label"]
    file, label = _columns(header)
    if file is None and label is None:
        file, label = _columns_without_header(lines)
    elif file is not None and label is not None:
        lines = lines[1:]
    if file is None or label is None:
        raise _no_table(where, f"its first line is {','.join(lines[0])[:60]!r}: give it the header filename,label")
    if any(len(row) <= max(file, label) for row in lines):
        raise _no_table(where, "a row is too short: give each row a file and a class")
    return [(posix(row[file]), row[label]) for row in lines]


def csv_splits(data: bytes, where: str) -> list[str] | None:
    """The split of every row, if a column has one for each of them."""
    header, *lines = _lines(data, where) or [[]]
    for column, name in enumerate(header):
        said = [split_of(row[column]) if column < len(row) else None for row in lines]
        if name.lower() in SPLIT_COLUMNS and all(said):
            return [str(split) for split in said]
    return None


def is_image_table(data: bytes) -> bool:
    """Whether the first line names a column of files and one of classes."""
    try:
        lines = _lines(data.partition(b"\n")[0][:1000], "")
    except UserError:
        return False
    return bool(lines) and None not in _columns([cell.lower() for cell in lines[0]])


def _lines(data: bytes, where: str) -> list[list[str]]:
    """The cells of the non-empty rows."""
    try:
        text = data.decode("utf-8-sig")
        delimiter = max(",;\t", key=text.partition("\n")[0].count)
        rows = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True, skipinitialspace=True)
        lines = [[cell.strip() for cell in row] for row in rows]
    except (UnicodeDecodeError, csv.Error) as error:
        raise _no_table(where, "it is not a text table: save it as CSV in UTF-8") from error
    return [row for row in lines if any(row)]


def _columns(header: Sequence[str]) -> tuple[int | None, int | None]:
    """The positions of the file and the class; with two columns, one of them the file, the other is the class."""
    file, label = (
        next((header.index(c) for c in known if c in header), None) for known in (FILE_COLUMNS, CLASS_COLUMNS)
    )
    if file is not None and label is None and len(header) == 2:
        return file, 1 - file
    return file, label


def posix(path: str) -> str:
    """The path with `/` as separator."""
    return path.replace("\\", "/")


def _columns_without_header(lines: Sequence[Sequence[str]]) -> tuple[int | None, int | None]:
    """The columns of files and of classes, if there are exactly two columns and only one has image file names."""
    if {len(row) for row in lines} != {2}:
        return None, None
    of_files = [k for k in (0, 1) if all(row[k].lower().endswith(IMAGES) for row in lines)]
    return (of_files[0], 1 - of_files[0]) if len(of_files) == 1 else (None, None)


def _no_table(where: str, why: str) -> UserError:
    return UserError(f"{where}: not a table with the columns filename,label ({why})")


def read_json(data: bytes) -> Any:
    """The content of a JSON file; None if it is not valid."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def json_line_rows(data: bytes, where: str) -> Rows:
    """(file, label) for every line of Hugging Face's `metadata.jsonl`. Raises UserError if a line lacks either."""
    rows = []
    for line in data.splitlines():
        value = read_json(line)
        row = {str(k).lower(): v for k, v in value.items()} if isinstance(value, dict) else {}
        file, label = (next((row[c] for c in known if c in row), None) for known in (FILE_COLUMNS, CLASS_COLUMNS))
        if line.strip() and (not isinstance(file, str) or not isinstance(label, str | int)):
            raise UserError(f"{where}: its lines are not JSON with file_name and label: give each line both")
        rows += [(posix(file), str(label))] if isinstance(file, str) else []
    return rows


def _json_rows(data: bytes) -> Rows | None:
    """The rows of a list with `label_names`, `image_names` and `image_labels`; None for any other file."""
    value = read_json(data)
    if not isinstance(value, Mapping):
        return None
    names, files, labels = (value.get(key, ()) for key in ("label_names", "image_names", "image_labels"))
    if not all(isinstance(each, list) for each in (names, files, labels)) or len(files) != len(labels):
        return None
    if not all(type(k) is int and 0 <= k < len(names) for k in labels):
        return None
    return [(posix(str(file)), str(names[label])) for file, label in zip(files, labels, strict=True)]
