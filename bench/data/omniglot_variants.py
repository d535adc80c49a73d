"""Omniglot in the variants of other code: the same drawings, with the classes in other splits, or with paper as 1."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate

import numpy as np

from bench.data.images import ImageClass, ImageSet
from bench.protocols.benchmarks import SPLITS

VINYALS = "vinyals"
PAPER = "paper"

# Vinyals et al. (NIPS 2016) as distributed by Snell et al.: jakesnell/prototypical-networks, commit c9bb4d2,
# data/omniglot/splits/vinyals, without the rotations. 1028 characters are for training, 172 validation and 423 test.
_VALID = frozenset({"Armenian", "Bengali", "Early_Aramaic", "Hebrew", "Mkhedruli_(Georgian)"})
_TEST = frozenset(
    {"Kannada", "Keble", "Malayalam", "Manipuri", "Mongolian", "Old_Church_Slavonic_(Cyrillic)", "Oriya", "Sylheti"}
    | {"Syriac_(Serto)", "Tengwar", "Tibetan", "ULOG"}
    | {f"Gurmukhi/character{k}" for k in range(42, 46)}
)


def variant(images: ImageSet, split: str, ones: str) -> ImageSet:
    """Omniglot in the splits of `split`, with the value 1 (255) for `ones`: ink or paper."""
    images = by_alphabet(images) if split == VINYALS else images
    return replace(images, images=255 - images.images) if ones == PAPER else images


def by_alphabet(images: ImageSet) -> ImageSet:
    """The images in the splits of Vinyals et al., with the classes of a split contiguous as before."""
    moved = [replace(c, split=_split_of(c.name)) for c in images.classes]
    ordered = sorted(moved, key=lambda c: (SPLITS.index(c.split), c.name))
    offsets = accumulate((c.count for c in ordered), initial=0)
    classes = tuple(replace(c, offset=offset) for c, offset in zip(ordered, offsets, strict=False))
    return replace(images, images=np.concatenate([_of(images, c) for c in ordered]), classes=classes)


def _of(images: ImageSet, c: ImageClass) -> np.ndarray:
    return images.images[c.offset : c.offset + c.count]


def _split_of(name: str) -> str:
    """The split of a character, named group/alphabet/character."""
    _, alphabet, character = name.split("/")
    if alphabet in _VALID:
        return "valid"
    return "test" if {alphabet, f"{alphabet}/{character}"} & _TEST else "train"
