"""Reads the HDF5 files that torchmeta writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.readers.packed import on_disk
from bench.data.readers.unreadable import explain_small_file
from bench.errors import UserError, reason

BROKEN = (OSError, KeyError, RuntimeError, AttributeError, TypeError, ValueError)  # what h5py raises for a damaged file
_DEEPEST = 4  # groups in groups
_FILTERS = {1, 2, 3, 32000}  # deflate, shuffle, fletcher32, lzf: the filters included in h5py


def open_hdf5(path: Path) -> Any:
    """The open h5py.File. Raises UserError if h5py is not installed or the file is damaged."""
    try:
        import h5py
    except ImportError as error:
        raise UserError(f"{path}: reading HDF5 needs h5py: `python -m pip install h5py`") from error
    try:
        return h5py.File(on_disk(path), "r")
    except BROKEN as error:
        raise _damaged_error(path, error) from error


def arrays(path: Path, group: Any, above: tuple[int, ...] = ()) -> Iterator[tuple[str, Any]]:
    """(name, array on disk) for every array, where the name joins the groups that it is in by `/`. Raises UserError if
    the file is damaged, nests its groups too deep, or refers to other files: by a link, or as an array's storage.
    `above`: the addresses of the groups that this one is in."""
    import h5py

    try:
        here = (*above, h5py.h5o.get_info(group.id).addr)
        if len(here) > _DEEPEST or here[-1] in above:
            raise ValueError("groups in groups without end")
        for name in group:
            item = _stored_item(path, group, name)
            if isinstance(item, h5py.Dataset):
                yield name, item
            else:
                yield from ((f"{name}/{below}", array) for below, array in arrays(path, item, here))
    except BROKEN as error:
        raise _damaged_error(path, error) from error


def _stored_item(path: Path, group: Any, name: str) -> Any:
    """The item with this name in a group, which must be stored in the file itself."""
    import h5py

    linked = not isinstance(group.get(name, getlink=True), h5py.HardLink)
    item = None if linked else group[name]
    if linked or (isinstance(item, h5py.Dataset) and (item.is_virtual or item.external or _filters(item) - _FILTERS)):
        raise UserError(
            f"{path}: refused, because {name} points outside the file or needs a plug-in: copy the data into one file"
        )
    return item


def _filters(array: Any) -> set[int]:
    made = array.id.get_create_plist()
    return {made.get_filter(k)[0] for k in range(made.get_nfilters())}


def count_of(path: Path, name: str, array: Any, shape: tuple[int, ...]) -> int:
    """The number of images with this shape in the array on disk. Raises UserError unless it is uint8 [n, *shape]."""
    found, kind = getattr(array, "shape", None), getattr(array, "dtype", None)
    if found is None or len(found) != len(shape) + 1 or found[1:] != shape or kind != np.uint8:
        raise UserError(
            f"{path}: {name} is {kind} {found}, not uint8 [images, {', '.join(map(str, shape))}]: "
            "use a copy in that size and type"
        )
    return found[0]


def read_array(path: Path, array: Any) -> np.ndarray:
    """The array in memory. Raises UserError if the file is damaged."""
    try:
        return array[()]
    except BROKEN as error:
        raise _damaged_error(path, error) from error


def count_of_files(path: Path, name: str, array: Any) -> int:
    """The number of files in the array on disk. Raises UserError unless it is a list of bytes."""
    import h5py

    kind = getattr(array, "dtype", None)
    if kind is None or h5py.check_vlen_dtype(kind) != np.uint8 or len(array.shape) != 1:
        raise UserError(f"{path}: {name} is {kind}, not a list of image files: use the file that torchmeta made")
    return array.shape[0]


def read_files(path: Path, array: Any) -> list[bytes]:
    """The files in memory. Raises UserError if the HDF5 file is damaged."""
    return [content.tobytes() for content in read_array(path, array)]


def _damaged_error(path: Path, error: Exception) -> UserError:
    return UserError(f"{path}: {explain_small_file(path) or f'damaged or not HDF5 ({reason(error)}): get it again'}")
