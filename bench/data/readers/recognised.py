"""Recognises known data sets by the names of their classes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from bench.data.splits import read_split, some
from bench.errors import UserError, command_line

WNID = re.compile(r"n[0-9]{8}")  # ImageNet's names of classes
FEWEST = 3  # classes needed to recognise a data set: fewer may have these names by chance


@dataclass(frozen=True)
class KnownDataSet:
    """A data set: its name, the SOURCE that adds it, the side length of its images, class -> split by the possible
    names of class folders, and a pattern for the names of its files."""

    called: str
    source: str
    side: int
    split: Mapping[str, str]
    files: str = r"(?!)"


def recognise(names: Iterable[str]) -> tuple[KnownDataSet, ...]:
    """The data sets that all of these classes belong to (two, for CIFAR-100)."""
    given = set(names)
    return tuple(known for known in _known_data_sets() if len(given) >= FEWEST and given <= known.split.keys())


def example(source: str) -> str:
    """The name of one of its class folders."""
    return next(iter(next(known for known in _known_data_sets() if known.source == source).split))


def recognised_files(names: Iterable[str]) -> tuple[KnownDataSet, ...]:
    """The data sets with files named like some of these."""
    lower = [name.lower() for name in names]
    return tuple(known for known in _known_data_sets() if any(re.search(known.files, name) for name in lower))


def are_of(names: Sequence[str], found: Sequence[KnownDataSet]) -> str:
    """A sentence that says which data set, or which of several, all these classes belong to."""
    here = list(dict.fromkeys(names))
    called = " or ".join(known.called for known in found)
    return f"this is {called}: all {len(here)} classes ({some(here)}) belong to it"


def this_is(names: Sequence[str], path: Path) -> str:
    """The data set of these classes, and the command that adds it; empty if no known data set has all of them."""
    found = recognise(names)
    return f"{are_of(names, found)}: {command(found, path)}" if found else ""


def check_other(names: Sequence[str], source: str, path: Path) -> None:
    """Raises UserError if all of these classes are those of another known data set than `source`."""
    found = recognise(names)
    if found and source not in [known.source for known in found]:
        raise UserError(f"{path}: {this_is(names, path)}")


def command(found: Sequence[KnownDataSet], path: Path) -> str:
    """The command to use a data set, or one of several."""
    if found[0].source == "omniglot":
        return "it is included in this project: use `--benchmark omniglot-5w1s`"
    return " or ".join(f"`{command_line('data', 'add', known.source, path)}`" for known in found)


def class_folders(files: Iterable[str]) -> list[str]:
    """The names of the folders of files, skipping folders named `images` inside them, as in Tiny ImageNet."""
    above = (PurePosixPath(name).parent for name in files)
    return list(dict.fromkeys((p.parent if p.name == "images" else p).name for p in above))


@cache
def _known_data_sets() -> tuple[KnownDataSet, ...]:
    return (
        KnownDataSet(
            "miniImageNet",
            "mini-imagenet",
            84,
            read_split("mini_imagenet"),
            "mini-imagenet-cache|miniimagenet_category",
        ),
        KnownDataSet(
            "tieredImageNet", "tiered-imagenet", 84, tiered_imagenet(), r"(train|val|test)_images(_png\.pkl|\.npz)$"
        ),
        KnownDataSet("CIFAR-FS", "cifar-fs", 32, _last_parts("cifar_fs"), "cifar_fs_|cifar-100-python"),
        KnownDataSet("FC100", "fc100", 32, _last_parts("fc100"), "fc100_|cifar-100-python"),
        KnownDataSet("CUB-200-2011", "cub", 84, _birds(), "cub_200_2011"),
        KnownDataSet("Omniglot", "omniglot", 28, _alphabets()),
    )


@cache
def tiered_imagenet() -> dict[str, str]:
    """The split of each of the 608 classes, by its ImageNet number and by its words."""
    split = read_split("tiered_imagenet")
    return {name: owner for both, owner in split.items() for name in both.split(" ", 1)}


def _birds() -> dict[str, str]:
    """The split of each class, by its name with its number and without."""
    split = read_split("cub")
    return dict(split) | {name.partition(".")[2]: owner for name, owner in split.items()}


def _last_parts(name: str) -> dict[str, str]:
    return {each.rpartition("/")[2]: split for each, split in read_split(name).items()}


def _alphabets() -> dict[str, str]:
    """The splits by alphabet, and by character with and without the group; an alphabet belongs to no single split."""
    split = read_split("omniglot")
    characters = {name.partition("/")[2]: owner for name, owner in split.items()}
    return characters | {name.split("/")[1]: "" for name in split} | dict(split)
