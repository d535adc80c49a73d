"""Reads the files that torchmeta writes: `{train,val,test}_data.hdf5`, and the classes of a split in `_labels.json`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.images import SourceClass
from bench.data.readers.archives import read_file
from bench.data.readers.hdf5 import arrays, count_of_files, open_hdf5, read_files
from bench.data.readers.image_files import Reader, decode
from bench.data.readers.recognised import check_other
from bench.errors import UserError


def read_labelled(source: str, path: Path) -> list[tuple[str, Any]]:
    """(class, array on disk) from one `_data.hdf5`: for the classes in its `_labels.json`, or without that file for
    all. Raises UserError if they are those of another data set than `source`."""
    beside = path.with_name(path.name.replace("_data.hdf5", "_labels.json"))
    labels = _labels(beside) if beside.exists() else None
    found = [(name.rpartition("/")[2], array) for name, array in arrays(path, open_hdf5(path))]
    check_other([name for name, _ in found], source, path.parent)
    return [(name, array) for name, array in found if labels is None or name in labels]


def image_files(
    source: str, files: Mapping[str, Path], side: int, corrupt: list[str] | None, reader: Reader
) -> Iterator[SourceClass]:
    """The classes in `_data.hdf5` by split, if they contain encoded image files; `corrupt` as in `decode`."""
    for split, path in files.items():
        for name, array in read_labelled(source, path):
            read = partial(_decode, path, name, array, side, corrupt, reader)
            yield SourceClass(name, split, count_of_files(path, name, array), read)


def _decode(path: Path, name: str, array: Any, side: int, corrupt: list[str] | None, reader: Reader) -> np.ndarray:
    files = {f"{path.name}: {name}/{place}": data for place, data in enumerate(read_files(path, array))}
    return decode(files, list(files), side, "RGB", corrupt, reader)


def _labels(path: Path) -> set[str]:
    try:
        return set(json.loads(read_file(path)))
    except (ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{path}: no JSON list of class names: get it again") from error
