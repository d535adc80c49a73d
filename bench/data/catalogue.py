"""The data sets that this project knows."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from bench.data import mini_imagenet, omniglot
from bench.data.arrange import Transform
from bench.data.images import Source
from bench.errors import unknown

OMNIGLOT_DIGEST = "ae4278357272782c72c132146af3036b75e1038b4158712ba38a44fad7c11bf7"
MINI_IMAGENET_DIGEST = "0987dcf32175fd81f4a7a2b97aad23b0251c7c564cf2f3575377af0d5d7618f1"
KNOWN = {
    OMNIGLOT_DIGEST: "Omniglot, all 32,460 drawings",
    MINI_IMAGENET_DIGEST: "Ravi & Larochelle split, 84x84 JPEG copy (8 byte-identical pairs)",
}


@dataclass(frozen=True)
class DataSet:
    """A data set's full content (`<split>_split.txt`, images per class), how a copy of it is read, and the forms that
    are prepared of it: the name of a subfolder -> how its images are resized."""

    split: str
    per_class: int
    open_source: Callable[[Path, bool], Source]
    forms: dict[str, Transform | None]


SOURCES = {
    "omniglot": DataSet(
        "omniglot",
        omniglot.DRAWINGS,
        omniglot.open_source,
        {"nearest": omniglot.resize_nearest, "lanczos": omniglot.resize_lanczos},
    ),
    "mini-imagenet": DataSet("mini_imagenet", mini_imagenet.PER_CLASS, mini_imagenet.open_source, {"": None}),
}


def get(source: str) -> DataSet:
    """The data set of that name. Raises UserError, with a suggestion, where there is none."""
    if source not in SOURCES:
        raise unknown("data set", source, SOURCES)
    return SOURCES[source]


def command(source: str) -> str:
    """The command that adds it, or mends it."""
    return f"`python -m bench data add {source} PATH`"


def data_dir(explicit: Path | None = None) -> Path:
    """Where prepared data lie: where `explicit` says, else BENCH_DATA, else the user's cache directory."""
    return Path(
        explicit or os.environ.get("BENCH_DATA") or platformdirs.user_cache_dir("bench-few-shot", False)
    ).expanduser()
