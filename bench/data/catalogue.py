"""The known data sets, and users' own ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.data import embedded_omniglot
from bench.data.arrange import Transform
from bench.data.images import DataSetCopy
from bench.data.readers import cifar100, cub, folder, mini_imagenet, omniglot, tiered_imagenet
from bench.data.sources import OWN
from bench.data.splits import Range
from bench.errors import UserError, program, unknown_name
from bench.protocols.benchmarks import BENCHMARKS, BUILT_IN, is_name


@dataclass(frozen=True)
class DataSet:
    """How to read a copy of a data set, what a complete copy contains, and the forms to prepare from it.

    `split`: the splits of the classes are in `<split>_split.txt`; `per_class`: the smallest and largest number of
    images per class, or None if unknown. Without such a file, `counts` has the number of classes per split, as far as
    known; `totals`: the number of images per split, or in `all`. `forms`: name of a subfolder -> how its images are
    resized."""

    open_source: Callable[[Path, bool], DataSetCopy]
    split: str | None = None
    per_class: Range | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    totals: Mapping[str, int] = field(default_factory=dict)
    forms: Mapping[str, Transform | None] = field(default_factory=lambda: {"": None})


def _exactly(count: int) -> Range:
    return count, count


SOURCES = {
    "omniglot": DataSet(
        omniglot.open_source,
        "omniglot",
        _exactly(embedded_omniglot.DRAWINGS),
        forms=embedded_omniglot.FORMS,
    ),
    "mini-imagenet": DataSet(mini_imagenet.open_source, "mini_imagenet", _exactly(mini_imagenet.PER_CLASS)),
    "cifar-fs": DataSet(partial(cifar100.open_source, split="cifar_fs"), "cifar_fs", _exactly(cifar100.PER_CLASS)),
    "fc100": DataSet(partial(cifar100.open_source, split="fc100"), "fc100", _exactly(cifar100.PER_CLASS)),
    "tiered-imagenet": DataSet(
        tiered_imagenet.open_source, counts=tiered_imagenet.CLASSES, totals=tiered_imagenet.TOTALS
    ),
    "cub": DataSet(cub.open_source, "cub", cub.PER_CLASS, totals={"all": cub.TOTAL}),
}

PHOTOGRAPHS = SOURCES.keys() - {"omniglot"}
SMALLEST, LARGEST = 16, 256  # pixels per side: four blocks halve 16 to one, and few-shot work uses no more than 256
_OWN_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_TAKEN = {*SOURCES, *BUILT_IN, *BENCHMARKS, *(each.source for each in BENCHMARKS.values()), OWN, "omniglot-embedded"}


def own(name: str, side: int, grey: bool, seed: int | None, levels: int | None = None) -> DataSet:
    """A user's own images, one folder per class. Raises UserError if the name is not allowed."""
    if name in _TAKEN or is_name(name):
        raise UserError(f"--name {name}: this name is taken: use another")
    if not _OWN_NAME.fullmatch(name):
        raise UserError(f"--name {name!r}: use up to 40 lower-case letters, digits, - and _, starting with a letter")
    if not SMALLEST <= side <= LARGEST:
        raise UserError(f"--size {side}: give {SMALLEST} to {LARGEST} pixels")
    return DataSet(partial(folder.open_source, side=side, grey=grey, seed=seed, levels=levels))


def get(source: str) -> DataSet:
    """The data set with this name. Raises UserError, with a suggestion, if there is none."""
    if source not in SOURCES:
        own = f"for your own images: `{program()} data add {OWN} PATH --name {source}`"
        raise UserError(f"{unknown_name('data set', source, [*SOURCES, OWN])}; {own}")
    return SOURCES[source]
