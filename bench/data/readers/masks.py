"""Recognises masks beside images, as in FSS-1000: they are not images of a class."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath

from bench.data.readers.copies import Copy, Groups


def without_masks(copy: Copy, groups: Groups) -> Groups:
    """The groups without masks: files beside an image with the same name and another suffix, if most images have one,
    or files in folders with the name of masks."""
    left: Groups = {key: without_masks_of(names) for key, names in groups.items()}
    count = sum(map(len, groups.values())) - sum(map(len, left.values()))
    if count:
        copy.notes.append(MASKED.format(count))
    return left


MASKED = "left out: {} files that look like masks of the images beside them"
MASKS = {"mask", "masks", "annotation", "annotations", "segmentation", "segmentations", "groundtruth"}


_MASK = re.compile(r"[ _.-](mask|seg|segmentation|gt|groundtruth|annotation|trimap|label)s?$", re.IGNORECASE)


def without_masks_of(names: Sequence[str]) -> list[str]:
    """The image files of one class, without those that are masks of others."""
    images = [name for name in names if not _in_masks(name)] or names
    stems = {name.rpartition(".")[0] for name in images}
    called = [name.rpartition(".")[0] for name in images]
    images = [name for name, stem in zip(images, called, strict=True) if _MASK.sub("", stem) not in stems - {stem}]
    by_stem = defaultdict(list)
    for name in sorted(images, key=lambda name: name.lower().endswith(".png")):  # of two files, the PNG is the mask
        by_stem[name.rpartition(".")[0]].append(name)
    in_pairs = sum(len(same) > 1 for same in by_stem.values())
    return sorted(same[0] for same in by_stem.values()) if in_pairs > len(by_stem) / 2 else list(images)


def _in_masks(name: str) -> bool:
    return any(part.lower() in MASKS for part in PurePosixPath(name).parts[:-1])


def without_mask_folders(names: Sequence[str]) -> list[str]:
    """The image files, without those in folders of masks beside the folders of the images, such as `masks/fern/1.png`
    beside `images/fern/1.jpg`."""
    stems = {name: PurePosixPath(name).with_suffix("").parts for name in names}
    twins = {
        (parts[:k], parts[k + 1 :])
        for parts in stems.values()
        for k in range(len(parts) - 2)
        if parts[k].lower() not in _ABOVE
    }
    return [name for name, parts in stems.items() if not any(_is_twin(parts, k, twins) for k in range(len(parts) - 2))]


_ABOVE = MASKS | {"labels", "trimaps"}


def _is_twin(parts: tuple[str, ...], place: int, twins: set[tuple[tuple[str, ...], tuple[str, ...]]]) -> bool:
    return parts[place].lower() in _ABOVE and (parts[:place], parts[place + 1 :]) in twins
