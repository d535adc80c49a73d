"""tieredImageNet (Ren et al. 2018), as its authors pass it round and as torchmeta leaves it: 84 x 84 PNG files in
pickles or HDF5, which say themselves which class stands in which split.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.images import Source, SourceClass
from bench.data.readers.image_files import decode, exactly
from bench.data.readers.plain_pickles import load_plain
from bench.data.readers.torchmeta import by_split, image_files
from bench.errors import UserError

SIDE = 84
CLASSES = {"train": 351, "valid": 97, "test": 160}
ACCEPTED = (
    "torchmeta's folder `tieredimagenet` with {train,val,test}_data.hdf5 and their _labels.json, or the original "
    "{train,val,test}_images_png.pkl with their _labels.pkl"
)


def open_source(path: Path, keep_going: bool) -> Source:
    """A user's copy. Raises UserError where it is none, or damaged; `keep_going`: broken images are only noted."""
    noted: list[str] = []
    corrupt = noted if keep_going else None
    for folder in (path, path / "tieredimagenet", path / "tiered-imagenet"):
        if by_split(folder, "{}_data.hdf5"):
            return Source(folder, "HDF5 of torchmeta", tuple(image_files(folder, SIDE, corrupt, exactly)), noted)
        if pickles := by_split(folder, "{}_images_png.pkl"):
            found = (c for split, file in pickles.items() for c in _in_pickles(split, file, corrupt))
            return Source(folder, "original pickles", tuple(found), noted)
    raise UserError(f"{path}: no tieredImageNet there: give {ACCEPTED}")


def _in_pickles(split: str, path: Path, corrupt: list[str] | None) -> Iterator[SourceClass]:
    images, (labels, names) = load_plain(path), _labels(path.with_name(path.name.replace("_images_png", "_labels")))
    if not isinstance(images, list) or len(images) != len(labels):
        raise UserError(f"{path}: no list of as many images as there are labels: get it again")
    for label, name in enumerate(names):
        indices = np.flatnonzero(labels == label)
        yield SourceClass(name, split, len(indices), partial(_decoded, path, images, indices, corrupt))


def _labels(path: Path) -> tuple[np.ndarray, list[str]]:
    """The label of every image, and the name of every label."""
    content = load_plain(path)
    try:
        labels, names = np.asarray(content["label_specific"], np.int64), list(map(str, content["label_specific_str"]))
        if labels.ndim != 1 or not ((labels >= 0) & (labels < len(names))).all():
            raise ValueError("labels without a name")
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{path}: no labels of tieredImageNet ({str(error).splitlines()[0]}): get it again") from error
    return labels, names


def _decoded(path: Path, images: list[Any], indices: np.ndarray, corrupt: list[str] | None) -> np.ndarray:
    files = {f"{path.name}: {index}": np.asarray(images[index], np.uint8).tobytes() for index in indices}
    return decode(files, list(files), SIDE, "RGB", corrupt, exactly)
