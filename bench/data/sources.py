"""Facts about data sets: names, digests of known copies, and folders."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from bench.errors import program

NAMES = ("omniglot", "mini-imagenet", "cifar-fs", "fc100", "tiered-imagenet", "cub")  # `catalogue` reads them
OWN = "folder"  # the SOURCE for a user's own images
OMNIGLOT_DIGEST = "ae4278357272782c72c132146af3036b75e1038b4158712ba38a44fad7c11bf7"
MINI_IMAGENET_DIGEST = "0987dcf32175fd81f4a7a2b97aad23b0251c7c564cf2f3575377af0d5d7618f1"
COPIES = {
    OMNIGLOT_DIGEST: "Omniglot, all 32,460 drawings",
    MINI_IMAGENET_DIGEST: "Ravi & Larochelle split, 84x84 JPEG copy (8 byte-identical pairs)",
}
UNKNOWN_COPY = "not a known copy: its colours, orientation and resizer could not be verified"


def command(source: str) -> str:
    """The command that adds or repairs a data set."""
    own = "" if source in NAMES else f" --name {source}"
    return f"`{program()} data add {source if source in NAMES else OWN} PATH{own}`"


def copy_name(source: str, digest: str, known_as: str | None) -> str:
    """The name of a copy, in words."""
    return known_as or f"{unnamed_copy(source)} ({digest[:12]})"


def unnamed_copy(source: str) -> str:
    """What data are called whose digest is not that of a known copy."""
    return "an unknown copy" if source in NAMES else "images of your own"


def data_dir(explicit: Path | None = None) -> Path:
    """The folder of prepared data: `explicit`, else BENCH_DATA, else the user's cache directory."""
    return Path(
        explicit or os.environ.get("BENCH_DATA") or platformdirs.user_cache_dir("bench-few-shot", False)
    ).expanduser()
