"""Recognises known data sets by the names of their classes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from bench.data.splits import read_split, some

WNID = re.compile(r"n[0-9]{8}")  # how ImageNet calls its classes
FEWEST = 3  # classes that tell a data set: fewer may be called alike by chance


@dataclass(frozen=True)
class Known:
    """A data set: what it is called, the SOURCE that adds it, a side of its images, class -> split by the names that
    folders of its classes have, and what its files are called."""

    called: str
    source: str
    side: int
    split: Mapping[str, str]
    files: str = r"(?!)"


def recognised(names: Iterable[str]) -> tuple[Known, ...]:
    """The data sets (two, of CIFAR-100) that all of these classes belong to."""
    given = set(names)
    return tuple(known for known in _known() if len(given) >= FEWEST and given <= known.split.keys())


def example(source: str) -> str:
    """What a folder of one of its classes is called."""
    return next(iter(next(known for known in _known() if known.source == source).split))


def recognised_files(names: Iterable[str]) -> tuple[Known, ...]:
    """The data sets whose files are called like some of these."""
    lower = [name.lower() for name in names]
    return tuple(known for known in _known() if any(re.search(known.files, name) for name in lower))


def are_of(names: Sequence[str], found: Sequence[Known]) -> str:
    """That these classes, all of them, are those of a data set, or of one of several."""
    here = list(dict.fromkeys(names))
    called = " or ".join(known.called for known in found)
    return f"this is {called}: all {len(here)} classes ({some(here)}) belong to it"


def this_is(names: Sequence[str], path: Path) -> str:
    """What these classes are, and the command that adds them; nothing where no known data set has all of them."""
    found = recognised(names)
    return f"{are_of(names, found)}: {command(found, path)}" if found else ""


def command(found: Sequence[Known], path: Path) -> str:
    """How a data set, or one of several, is used."""
    if found[0].source == "omniglot":
        return "it is included in this project: use `--benchmark omniglot-5w1s`"
    return " or ".join(f"`python -m bench data add {known.source} {path}`" for known in found)


def class_folders(files: Iterable[str]) -> list[str]:
    """The names of the folders that files lie in, but for `images` below them, which Tiny ImageNet has."""
    above = (PurePosixPath(name).parent for name in files)
    return list(dict.fromkeys((p.parent if p.name == "images" else p).name for p in above))


@cache
def _known() -> tuple[Known, ...]:
    return (
        Known(
            "miniImageNet",
            "mini-imagenet",
            84,
            read_split("mini_imagenet"),
            "mini-imagenet-cache|miniimagenet_category",
        ),
        Known("tieredImageNet", "tiered-imagenet", 84, tiered_imagenet(), r"(train|val|test)_images(_png\.pkl|\.npz)$"),
        Known("CIFAR-FS", "cifar-fs", 32, _last_parts("cifar_fs"), "cifar_fs_|cifar-100-python"),
        Known("FC100", "fc100", 32, _last_parts("fc100"), "fc100_|cifar-100-python"),
        Known("CUB-200-2011", "cub", 84, _birds(), "cub_200_2011"),
        Known("Omniglot", "omniglot", 28, _alphabets()),
    )


@cache
def tiered_imagenet() -> dict[str, str]:
    """The split of each of the 608 classes, by its number in ImageNet and by its words."""
    split = read_split("tiered_imagenet")
    return {name: owner for both, owner in split.items() for name in both.split(" ", 1)}


def _birds() -> dict[str, str]:
    """With their numbers, and without."""
    split = read_split("cub")
    return dict(split) | {name.partition(".")[2]: owner for name, owner in split.items()}


def _last_parts(name: str) -> dict[str, str]:
    return {each.rpartition("/")[2]: split for each, split in read_split(name).items()}


def _alphabets() -> dict[str, str]:
    """Alphabets, and characters with and without their group; an alphabet is in no one split."""
    split = read_split("omniglot")
    characters = {name.partition("/")[2]: owner for name, owner in split.items()}
    return characters | {name.split("/")[1]: "" for name in split} | dict(split)
