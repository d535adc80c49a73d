"""Remarks on a data set that readers of its results must know: shown when it is added, and in every report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from bench.protocols.benchmarks import SPLITS

_WORDS = {"train": "training", "valid": "validation", "test": "test"}


def remarks(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """What readers must know about a prepared data set: images in two splits, images left out, and its reader's
    notes."""
    corrupt = manifest.get("corrupt", ())
    were = "s were" if len(corrupt) > 1 else " was"
    lost = [f"{len(corrupt)} broken image file{were} left out"] if corrupt else []
    return (*in_two_splits(manifest["identical"]["groups"]), *lost, *manifest.get("notes", ()))


def in_two_splits(groups: Sequence[Sequence[str]]) -> list[str]:
    """How many images, byte for byte, are in two splits: one line per pair of splits; a group of equal images counts
    once."""
    counts: Counter[tuple[str, str]] = Counter()
    for group in groups:
        splits = {place.split("/", 1)[0] for place in group}
        counts.update(pair for pair in combinations(SPLITS, 2) if splits >= set(pair))
    pairs = [pair for pair in combinations(SPLITS, 2) if counts[pair]]
    return [f"{_images(counts[one, two])} in {_WORDS[one]} and in {_WORDS[two]}" for one, two in pairs]


def _images(count: int) -> str:
    return f"{count} images are" if count > 1 else "1 image is"
