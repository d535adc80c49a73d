"""Known data sets, by the names of their classes, wherever these turn up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bench.data.splits import read_split

FEWEST = 3  # classes that tell a data set: fewer may be called alike by chance


@dataclass(frozen=True)
class Known:
    """A data set: what it is called, the SOURCE that adds it, a side of its images, and class -> split by the names
    that folders of its classes have."""

    called: str
    source: str
    side: int
    split: Mapping[str, str]


def recognised(names: Iterable[str]) -> tuple[Known, ...]:
    """The data sets (two, of CIFAR-100) that all of these classes belong to."""
    given = set(names)
    return tuple(known for known in _known() if len(given) >= FEWEST and given <= known.split.keys())


def _known() -> tuple[Known, ...]:
    return (
        Known("miniImageNet", "mini-imagenet", 84, read_split("mini_imagenet")),
        Known("CIFAR-FS", "cifar-fs", 32, _last_parts("cifar_fs")),
        Known("FC100", "fc100", 32, _last_parts("fc100")),
        Known("CUB-200-2011", "cub", 84, read_split("cub")),
        Known("Omniglot", "omniglot", 28, _alphabets()),
    )


def _last_parts(name: str) -> dict[str, str]:
    return {each.rpartition("/")[2]: split for each, split in read_split(name).items()}


def _alphabets() -> dict[str, str]:
    """Alphabets, and characters with and without their group; an alphabet is in no one split."""
    split = read_split("omniglot")
    characters = {name.partition("/")[2]: owner for name, owner in split.items()}
    return {name.split("/")[1]: "" for name in split} | characters | dict(split)
