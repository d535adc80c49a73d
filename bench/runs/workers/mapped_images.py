"""Sends data to another process: memory-mapped images are sent as the name of their file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from mmap import mmap
from typing import Any

import numpy as np


@dataclass(frozen=True)
class _File:
    """Where memory-mapped images are stored: the other process maps them too, so that memory is used once."""

    path: str
    offset: int
    shape: tuple[int, ...]


def by_file(data: Any) -> Any:
    """The data in the form in which they are sent."""
    array = getattr(data, "images", None)
    if not (isinstance(array, np.memmap) and isinstance(array.base, mmap)):  # in memory, or a slice of a mapped array
        return data
    return replace(data, images=_File(str(array.filename), array.offset, array.shape))


def reopen(data: Any) -> Any:
    """Data received from another process, with their images mapped again."""
    file = getattr(data, "images", None)
    if not isinstance(file, _File):
        return data
    return replace(data, images=np.memmap(file.path, np.uint8, "r", file.offset, file.shape))
