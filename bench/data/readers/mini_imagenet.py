"""miniImageNet (Vinyals et al. 2016), in the split of Ravi and Larochelle (2017), from the forms it is passed round in.

All are 84 x 84 RGB; `val` in file names is the split `valid`.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from bench.data.images import Source, SourceClass
from bench.data.readers.archives import archives_in, is_archive, read_archives, read_file, read_folder
from bench.data.readers.hdf5 import count_of, read_array
from bench.data.readers.image_files import decode
from bench.data.readers.plain_pickles import load_plain
from bench.data.readers.torchmeta import SPLIT_FILES, by_split, labelled
from bench.errors import UserError

SIDE, PER_CLASS = 84, 600
CSVS = tuple(f"{split}.csv" for split in SPLIT_FILES)
JPEGS = (".jpg", ".jpeg", ".png")
ACCEPTED = (
    "images/ (or tar or zip archives of it) with train.csv, val.csv and test.csv, "
    "mini-imagenet-cache-{train,val,test}.pkl, or torchmeta's {train,val,test}_data.hdf5 with their _labels.json"
)


def open_source(path: Path, keep_going: bool) -> Source:
    """A user's copy. Raises UserError where it is none, or damaged; `keep_going`: broken images are only noted."""
    if is_archive(path):
        return _in_csv(path, read_archives([path], (".csv", *JPEGS)), keep_going)
    for folder in (path, path / "miniimagenet"):
        if hdf5 := by_split(folder, "{}_data.hdf5"):
            return Source(
                folder, "HDF5 of torchmeta", tuple(c for split, file in hdf5.items() for c in _in_hdf5(split, file))
            )
        if pickles := by_split(folder, "mini-imagenet-cache-{}.pkl"):
            return Source(
                folder, "pickles", tuple(c for split, file in pickles.items() for c in _in_pickle(split, file))
            )
        if files := _csv_and_images(folder):
            return _in_csv(folder, files, keep_going)
    raise UserError(f"{path}: no miniImageNet there: give a folder with {ACCEPTED}")


def _in_hdf5(split: str, path: Path) -> Iterator[SourceClass]:
    for name, array in labelled(path):
        count = count_of(path, name, array, (SIDE, SIDE, 3))
        yield SourceClass(name, split, count, partial(read_array, path, array))


def _in_pickle(split: str, path: Path) -> Iterator[SourceClass]:
    content = load_plain(path)
    if not isinstance(content, dict) or not isinstance(content.get("class_dict"), dict):
        raise UserError(f"{path}: no dictionary of image_data and class_dict: use the mini-imagenet-cache files")
    images = content.get("image_data")
    count_of(path, "image_data", images, (SIDE, SIDE, 3))
    for name, listed in content["class_dict"].items():
        indices = _indices(listed, len(images), f"{path}: {name}")
        yield SourceClass(name, split, len(indices), partial(images.__getitem__, indices))


def _indices(listed: Any, images: int, where: str) -> np.ndarray:
    plain = isinstance(listed, np.ndarray) or (type(listed) in (list, tuple) and all(type(i) is int for i in listed))
    indices = np.asarray(listed if plain else None)  # what is nested could grow without bound
    if indices.ndim != 1 or indices.dtype.kind not in "ui" or not ((indices >= 0) & (indices < images)).all():
        raise UserError(f"{where}: its indices are no list of numbers from 0 to {images - 1}: get the file again")
    return indices


def _csv_and_images(folder: Path) -> dict[str, bytes]:
    """Path -> content, of a folder with CSV files and images/, or archives of one or both."""
    if not folder.is_dir():
        return {}
    tables = {path.name: read_file(path) for path in map(folder.joinpath, CSVS) if path.is_file()}
    if (folder / "images").is_dir():
        return tables | read_folder(folder / "images", JPEGS)
    return tables | read_archives(archives_in(folder), (".csv", *JPEGS))


def _in_csv(where: Path, files: Mapping[str, bytes], keep_going: bool) -> Source:
    corrupt: list[str] = []
    by_name = _by_file_name(files, where)
    classes = {key: [n for n in names if n in by_name] for key, names in _listed(by_name, where).items()}
    read = partial(decode, by_name, side=SIDE, mode="RGB", corrupt=corrupt if keep_going else None)
    found = (
        SourceClass(label, split, len(names), partial(read, names=names)) for (split, label), names in classes.items()
    )
    return Source(where, "CSV and image files", tuple(found), corrupt)


def _listed(files: Mapping[str, bytes], where: Path) -> dict[tuple[str, str], list[str]]:
    """(split, class) -> image file names, as the CSV files list them. Raises UserError for an image listed twice."""
    classes, seen = defaultdict(list), set()
    for file, split in SPLIT_FILES.items():
        for image, label in _rows(files, f"{file}.csv", where):
            if image in seen:
                raise UserError(f"{where}: {file}.csv: {image} is listed twice: get the CSV files again")
            seen.add(image)
            classes[split, label].append(image)
    return classes


def _by_file_name(files: Mapping[str, bytes], where: Path) -> dict[str, bytes]:
    """The files by the last part of their path, which is how the CSV files call them."""
    by_name = {PurePosixPath(name).name: data for name, data in files.items()}
    if not by_name:
        raise UserError(f"{where}: no CSV or image files in it: unpack an archive of .pkl or .hdf5 files first")
    if len(by_name) < len(files):
        raise UserError(f"{where}: {len(files) - len(by_name)} file names stand there twice: keep one of each")
    return by_name


def _rows(files: Mapping[str, bytes], name: str, where: Path) -> list[tuple[str, str]]:
    """(file name, label) of every row of a CSV file; none where it is missing."""
    try:
        rows = csv.DictReader(io.StringIO(files.get(name, b"filename,label\n").decode("utf-8-sig")), strict=True)
        return [(PurePosixPath(row["filename"]).name, row["label"]) for row in rows]
    except (KeyError, TypeError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{where}: {name}: not a table with the columns filename,label: get it again") from error
