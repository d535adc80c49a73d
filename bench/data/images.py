"""The common form of all images, whatever their source, and its files on disk.

A prepared data set is a folder: `images.npy`, uint8 [images, height, width, channels], memory-mapped, and
`manifest.json`. The images of a class are contiguous and ordered by their content, because the order of a directory is
not reproducible. A byte-identical copy within a class comes after the `distinct` images and is never drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class ImageClass:
    """One class: its name, its split (`train`, `valid` or `test`), and the position of its images."""

    name: str
    split: str
    offset: int
    count: int
    distinct: int


@dataclass(frozen=True)
class ImageSet:
    """Images by class. `images` is uint8 [images, height, width, channels], in [0, 255].

    `digest`: SHA-256 of the content; `known_as`: the published copy with this digest, or None; `partial`: whether
    classes of the full data set are missing; `remarks`: what readers of results on these images must know, in lines
    such as "3 images are in training and in test"."""

    name: str
    images: np.ndarray
    classes: tuple[ImageClass, ...]
    digest: str
    known_as: str | None = None
    partial: bool = False
    remarks: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """[height, width, channels] of an image."""
        return self.images.shape[1:]

    def split(self, name: str) -> tuple[ImageClass, ...]:
        """The classes of one split, in their canonical order (by name)."""
        return tuple(c for c in self.classes if c.split == name)


@dataclass(frozen=True)
class SourceClass:
    """One class of a source. `read` returns uint8 [at most `count`, height, width, channels], in any order."""

    name: str
    split: str
    count: int
    read: Callable[[], np.ndarray]


@dataclass(frozen=True)
class DataSetCopy:
    """A user's copy. While its classes are read, `corrupt` collects images that cannot be read, and `notes` other
    remarks: what could not be checked, and which files were not read."""

    path: Path
    kind: str
    classes: tuple[SourceClass, ...]
    corrupt: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
