"""Finds the split of each class in a copy, from its tables, its lists of class names, or its folders."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import PurePosixPath
from typing import Any

from bench.data.readers.copies import IMAGES, Copy
from bench.data.readers.split_names import as_splits, split_of
from bench.data.readers.tables import read_json, split_tables
from bench.errors import UserError


def class_splits(copy: Copy) -> dict[str, str]:
    """Class -> split, as far as anything in the copy says so; the files that were used count as read."""
    return _of_folders(copy) | named_classes(copy) | _of_tables(copy)


def named_classes(copy: Copy, folders: Collection[str] | None = None) -> dict[str, str]:
    """Class -> split, from lists of classes: `{train,val,test}.json` with `class_names`, as in easyfsl; one JSON file
    with a list per split; `{train,val,test}.txt` with a class per line. `folders`: the possible names of classes."""
    lists: list[tuple[str, dict[str, str]]] = []
    for suffix, names_in in ((".json", _in_json), (".txt", _in_lines)):
        for name, split in _by_split(copy.with_suffix(suffix)).items():
            lists.append((name, dict.fromkeys(names_in(copy.files[name]), split)))
    for name in copy.with_suffix(".json"):
        value = read_json(copy.files[name])
        if isinstance(value, dict) and len(splits := as_splits(map(str, value))) == len(value) == 3:
            lists.append((name, {c: split for key, split in splits.items() for c in _texts(value[key])}))
    found: dict[str, str] = {}
    for name, listed in lists:
        known = listed.keys() if folders is None else listed.keys() & folders
        if known and (len(known) == len(listed) or not name.endswith(".txt")):  # otherwise the lines are not classes
            found.update(listed)
            copy.used.add(name)
    return found


def _by_split(names: Iterable[str]) -> dict[str, str]:
    """File -> split, for files in one folder whose names differ only in the split."""
    folders: dict[PurePosixPath, dict[str, str]] = {}
    for path in map(PurePosixPath, names):
        folders.setdefault(path.parent, {})[path.stem] = path.as_posix()
    return {stems[stem]: split for stems in folders.values() for stem, split in as_splits(stems).items()}


def _in_json(data: bytes) -> list[str]:
    value = read_json(data)
    return _texts(value.get("class_names")) if isinstance(value, dict) else []


def _in_lines(data: bytes) -> list[str]:
    return [line.strip() for line in data.decode("utf-8", "replace").splitlines() if line.strip()]


def _texts(value: Any) -> list[str]:
    return value if isinstance(value, list) and all(isinstance(each, str) for each in value) else []


def _of_tables(copy: Copy) -> dict[str, str]:
    try:
        tables = split_tables(copy)
    except UserError:  # the table is about something else
        return {}
    return {label: split for split, table in tables.items() for _, label in table.rows}


def _of_folders(copy: Copy) -> dict[str, str]:
    parts = (PurePosixPath(name).parts for name in copy.with_suffix(*IMAGES))
    return {part[-2]: split for part in parts if len(part) > 2 and (split := split_of(part[-3]))}
