"""The data sets that this project knows, and how a user's own become some."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import platformdirs

from bench.data.arrange import Transform
from bench.data.images import Source
from bench.data.readers import cifar100, cub, folder, mini_imagenet, omniglot, tiered_imagenet
from bench.data.splits import Range
from bench.errors import UserError, unknown
from bench.protocols.benchmarks import BENCHMARKS, BUILT_IN, is_name

OMNIGLOT_DIGEST = "ae4278357272782c72c132146af3036b75e1038b4158712ba38a44fad7c11bf7"
MINI_IMAGENET_DIGEST = "0987dcf32175fd81f4a7a2b97aad23b0251c7c564cf2f3575377af0d5d7618f1"
KNOWN = {
    OMNIGLOT_DIGEST: "Omniglot, all 32,460 drawings",
    MINI_IMAGENET_DIGEST: "Ravi & Larochelle split, 84x84 JPEG copy (8 byte-identical pairs)",
}
UNKNOWN_COPY = "no copy with this digest is known here: its colours, orientation and resizer could not be proved"


@dataclass(frozen=True)
class DataSet:
    """How a copy of a data set is read, what it has when it is whole, and the forms that are prepared of it.

    `split`: the classes of each split are those of `<split>_split.txt`; `per_class`: the least and the most images of a
    class, or None where that is not known. Where there is no such file, `counts` tells how many classes a split has, as
    far as that is known; `totals` how many images a split has, or `all`. `forms`: the name of a subfolder -> how its
    images are resized."""

    open_source: Callable[[Path, bool], Source]
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
        _exactly(omniglot.DRAWINGS),
        forms={
            **{"nearest": omniglot.resize_nearest, "lanczos": omniglot.resize_lanczos},
            "bilinear-crop": omniglot.resize_bilinear_crop,
        },
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
OWN = "folder"  # what a user's own images are added as
SMALLEST, LARGEST = 16, 256  # pixels a side: four blocks halve 16 to one, and 256 is beyond what few-shot work uses
_OWN_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_TAKEN = {*SOURCES, *BUILT_IN, *BENCHMARKS, *(each.source for each in BENCHMARKS.values()), OWN, "omniglot-embedded"}


def own(name: str, side: int, grey: bool, seed: int | None, levels: int | None = None) -> DataSet:
    """A user's own images, a folder per class. Raises UserError where the name cannot be a data set's."""
    if name in _TAKEN or is_name(name):
        raise UserError(f"--name {name}: this is the name of something else here: take another")
    if not _OWN_NAME.fullmatch(name):
        raise UserError(f"--name {name!r}: up to 40 small letters, digits, - and _, the first a letter")
    if not SMALLEST <= side <= LARGEST:
        raise UserError(f"--size {side}: from {SMALLEST} to {LARGEST} pixels")
    return DataSet(partial(folder.open_source, side=side, grey=grey, seed=seed, levels=levels))


def get(source: str) -> DataSet:
    """The data set of that name. Raises UserError, with a suggestion, where there is none."""
    if source not in SOURCES:
        own = f"images of your own: `python -m bench data add {OWN} PATH --name {source}`"
        raise UserError(f"{unknown('data set', source, [*SOURCES, OWN])}; {own}")
    return SOURCES[source]


def command(source: str) -> str:
    """The command that adds it, or mends it."""
    return f"`python -m bench data add {source if source in SOURCES else OWN} PATH{_named(source)}`"


def called(source: str, digest: str, known_as: str | None) -> str:
    """Which copy that is, in words."""
    return known_as or f"{'an unknown copy' if source in SOURCES else 'images of your own'} ({digest[:12]})"


def forms(source: str) -> Mapping[str, Transform | None]:
    """Those that are prepared of a data set, built in or a user's own."""
    return SOURCES[source].forms if source in SOURCES else {"": None}


def _named(source: str) -> str:
    return "" if source in SOURCES else f" --name {source}"


def data_dir(explicit: Path | None = None) -> Path:
    """Where prepared data lie: where `explicit` says, else BENCH_DATA, else the user's cache directory."""
    return Path(
        explicit or os.environ.get("BENCH_DATA") or platformdirs.user_cache_dir("bench-few-shot", False)
    ).expanduser()
