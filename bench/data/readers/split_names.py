"""The names of the three splits in files and folders."""

from __future__ import annotations

import re
from collections.abc import Iterable

_WORDS = {
    **dict.fromkeys(("train", "training", "base"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "valid"),
    **dict.fromkeys(("test", "testing", "novel"), "test"),
}
HALVES = {"images_background": "train", "images_evaluation": "test"}  # two parts, without validation


def split_of(name: str) -> str | None:
    """The split named by the words of a name, such as `meta-val` or `train_phase_train`; None if there is none, or
    several."""
    said = splits_in(name)
    return said.pop() if len(said) == 1 else None


def splits_in(name: str) -> set[str]:
    """The splits named by the words of a name, including two in one word: `trainval`."""
    words = [*_words(name), *(["train", "val"] if "trainval" in name.lower() else [])]
    return {_WORDS[word] for word in words if word in _WORDS}


def is_phase(name: str) -> bool:
    """Whether a name stands for a part of the training classes' images, such as `train_phase_val` or `train_test`."""
    said = [_WORDS[word] for word in _words(name) if word in _WORDS]
    return len(said) == 2 and said[0] == "train" != said[1]


def without_split(name: str) -> tuple[str, ...]:
    """The words of a name that do not name a split; equal for names that belong together."""
    return tuple(word for word in _words(name) if word not in _WORDS and word != "phase")


def as_splits(names: Iterable[str]) -> dict[str, str]:
    """Name -> split, for the largest group of names that differ only in the split; names of other phases are left
    out."""
    groups: dict[tuple[str, ...], dict[str, str]] = {}
    for name in names:
        if split := split_of(name):
            groups.setdefault(without_split(name), {})[name] = split
    return max(groups.values(), key=lambda group: len(set(group.values())), default={})


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z]+|[0-9]+", name.lower())
