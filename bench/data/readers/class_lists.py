"""Which class a copy puts into which split, by its tables, its lists of class names, or its folders."""

from __future__ import annotations

from pathlib import PurePosixPath

from bench.data.readers.copies import IMAGES, Copy
from bench.data.readers.split_names import as_splits, split_of
from bench.data.readers.tables import read_json, split_tables
from bench.errors import UserError


def class_splits(copy: Copy) -> dict[str, str]:
    """Class -> split, as far as anything in the copy says; the tables that say it count as read."""
    return _of_folders(copy) | named_classes(copy) | _of_tables(copy)


def named_classes(copy: Copy) -> dict[str, str]:
    """Class -> split, by `{train,val,test}.json` with `class_names`, as easyfsl has them."""
    names = {PurePosixPath(name).stem: name for name in copy.with_suffix(".json")}
    found: dict[str, str] = {}
    for stem, split in as_splits(names).items():
        value = read_json(copy.files[names[stem]])
        listed = value.get("class_names") if isinstance(value, dict) else None
        if isinstance(listed, list) and all(isinstance(name, str) for name in listed):
            found |= dict.fromkeys(listed, split)
            copy.used.add(names[stem])
    return found


def _of_tables(copy: Copy) -> dict[str, str]:
    try:
        tables = split_tables(copy)
    except UserError:  # a table of something else says nothing of classes
        return {}
    return {label: split for split, table in tables.items() for _, label in table.rows}


def _of_folders(copy: Copy) -> dict[str, str]:
    parts = (PurePosixPath(name).parts for name in copy.with_suffix(*IMAGES))
    return {part[-2]: split for part in parts if len(part) > 2 and (split := split_of(part[-3]))}
