"""Seed groups on their way to another process: mapped images go as the file that they lie in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from mmap import mmap
from typing import Any

import numpy as np

from bench.runs.workers.work import SeedGroup


@dataclass(frozen=True)
class _File:
    """Where mapped images lie: another process maps them too, and no memory is needed twice."""

    path: str
    offset: int
    shape: tuple[int, ...]


def by_file(group: SeedGroup) -> SeedGroup:
    """The group to be sent."""
    data: Any = group.jobs[0].workload.data
    array = getattr(data, "images", None)
    if not (isinstance(array, np.memmap) and isinstance(array.base, mmap)):  # in memory, or a part of a file
        return group
    return group.with_data(replace(data, images=_File(str(array.filename), array.offset, array.shape)))


def opened(group: SeedGroup) -> SeedGroup:
    """A group that was sent, with its images mapped again."""
    data: Any = group.jobs[0].workload.data
    file = getattr(data, "images", None)
    if not isinstance(file, _File):
        return group
    return group.with_data(replace(data, images=np.memmap(file.path, np.uint8, "r", file.offset, file.shape)))
