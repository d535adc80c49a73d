"""CIFAR-100 (Krizhevsky 2009), whose classes are split into CIFAR-FS (Bertinetto et al. 2019) and FC100 (Oreshkin et
al. 2018), as torchmeta has them. A class is called `<superclass>/<class>`; all images are 32 x 32 RGB.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.images import Source, SourceClass
from bench.data.readers.hdf5 import arrays, count_of, open_hdf5, read_array
from bench.data.readers.plain_pickles import load_plain
from bench.data.splits import read_split
from bench.errors import UserError

SIDE, PER_CLASS = 32, 600
HDF5, ORIGINAL = "data.hdf5", ("train", "test", "meta")
ACCEPTED = f"torchmeta's folder `cifar100` with {HDF5}, or the original cifar-100-python, unpacked"


def open_source(path: Path, keep_going: bool, split: str) -> Source:
    """A user's copy, by the committed `split`. Raises UserError where it is none, or damaged; there are no single
    files that could be broken, so `keep_going` changes nothing."""
    for folder in (path, path / "cifar100", path / "cifar-100-python"):
        if (hdf5 := folder / HDF5).is_file():
            return Source(hdf5, "HDF5 of torchmeta", tuple(_in_hdf5(hdf5, split)))
        if all((folder / name).is_file() for name in ORIGINAL):
            return Source(folder, "original pickles", tuple(_in_pickles(folder, split)))
    raise UserError(f"{path}: no CIFAR-100 there: give {ACCEPTED}")


def _class(name: str, split: str, count: int, read: Any) -> SourceClass:
    return SourceClass(name, read_split(split).get(name, "unknown"), count, read)


def _in_hdf5(path: Path, split: str) -> Iterator[SourceClass]:
    for name, array in arrays(path, open_hdf5(path), depth=2):
        yield _class(name, split, count_of(path, name, array, (SIDE, SIDE, 3)), partial(read_array, path, array))


def _in_pickles(folder: Path, split: str) -> Iterator[SourceClass]:
    """The two files together: a class has 500 images in `train` and 100 in `test`, which are no splits here."""
    parts = [_part(folder / name) for name in ("train", "test")]
    images, fine, coarse = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    fine_names, coarse_names = _names(folder / "meta")
    for label in np.unique(fine):
        indices = np.flatnonzero(fine == label)
        name = f"{coarse_names[coarse[indices[0]]]}/{fine_names[label]}"
        yield _class(name, split, len(indices), partial(images.__getitem__, indices))


def _part(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images [n, 32, 32, 3], fine labels [n] and coarse labels [n] of one of the original files."""
    content = load_plain(path)
    try:
        images = np.asarray(content["data"], np.uint8).reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
        fine, coarse = (_labels(content[name], most) for name, most in (("fine_labels", 100), ("coarse_labels", 20)))
        if not len(images) == len(fine) == len(coarse):
            raise ValueError("as many labels as images are needed")
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _not_original(path, error) from error
    return images, fine, coarse


def _labels(listed: Any, most: int) -> np.ndarray:
    labels = np.asarray(listed, np.int64)
    if labels.ndim != 1 or not ((labels >= 0) & (labels < most)).all():
        raise ValueError(f"labels that are not numbers below {most}")
    return labels


def _names(path: Path) -> tuple[Sequence[str], Sequence[str]]:
    content = load_plain(path)
    try:
        fine, coarse = (list(map(str, content[f"{kind}_label_names"])) for kind in ("fine", "coarse"))
        if (len(fine), len(coarse)) != (100, 20):
            raise ValueError("not 100 classes in 20 superclasses")
    except (KeyError, TypeError, ValueError) as error:
        raise _not_original(path, error) from error
    return fine, coarse


def _not_original(path: Path, error: Exception) -> UserError:
    return UserError(f"{path}: not a file of cifar-100-python ({str(error).splitlines()[0]}): get it again")
