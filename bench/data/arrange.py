"""Puts the images of a copy into their canonical order, and describes them."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from typing import Any

import numpy as np

from bench.data.images import DataSetCopy, ImageClass, SourceClass
from bench.errors import UserError, printable
from bench.protocols.benchmarks import SPLITS

Transform = Callable[[np.ndarray], np.ndarray]
Sink = Callable[[np.ndarray], Any]


class NoImages(UserError):
    """No image can be read."""


@dataclass(frozen=True)
class _Part:
    """One class, after its images were passed to the sink. `contents`: the sorted SHA-256 of its images in the source;
    `shown`: those of the prepared images, in canonical order; shapes are [height, width, channels]."""

    split: str
    name: str
    source_shape: tuple[int, ...]
    shape: tuple[int, ...]
    contents: list[bytes]
    shown: list[bytes]
    distinct: int


def provenance(source: DataSetCopy, name: str, form: str = "", missing: Sequence[str] = ()) -> dict[str, Any]:
    """The fields of a data set's manifest that describe its source, for this form; call it when all images have been
    read."""
    corrupt = sorted(set(source.corrupt))
    about = {
        "name": name,
        "source": {"path": str(source.path), "kind": source.kind},
        "missing": list(missing),
        "corrupt": corrupt,
        "partial": bool(missing or corrupt),
        "notes": [*map(printable, dict.fromkeys(source.notes))],
    }
    return about | ({"resize": form} if form else {})


def assemble(classes: Iterable[SourceClass], transform: Transform | None, sink: Sink) -> dict[str, Any]:
    """Passes the images to `sink`, class by class, in canonical order; returns the manifest's fields about them.
    `transform` maps uint8 [n, height, width, channels] to the prepared images; the digest is computed before it.

    Raises UserError if there is no image at all."""
    ordered = sorted(classes, key=lambda c: (SPLITS.index(c.split), c.name))
    parts = [part for c in ordered if (part := _arrange(c, transform, sink)).shown]
    if not parts:
        raise NoImages("no image of this data set in it: give the folder or archive that holds the images")
    counts = Counter(part.split for part in parts)
    return {
        "classes": _classes(parts),
        "counts": {split: counts[split] for split in SPLITS},
        "shape": [sum(len(part.shown) for part in parts), *parts[0].shape],
        "digest": _digest(parts),
        "identical": _identical(parts),
    }


def content_order(contents: list[bytes], shown: list[bytes]) -> tuple[list[int], int]:
    """The order of images by their `contents`, with images whose `shown` occurred before moved to the end; and the
    number of distinct ones."""
    first: dict[bytes, int] = {}
    order = sorted(range(len(contents)), key=contents.__getitem__)
    for index in order:
        first.setdefault(shown[index], index)
    repeats = [index for index in order if first[shown[index]] != index]
    return [*first.values(), *repeats], len(first)


def _arrange(c: SourceClass, transform: Transform | None, sink: Sink) -> _Part:
    raw = c.read()
    contents = _sums(raw)
    images = transform(raw) if transform and len(raw) else raw
    shown = _sums(images) if transform else contents
    order, distinct = content_order(contents, shown)
    sink(images[order])
    return _Part(
        c.split, c.name, raw.shape[1:], images.shape[1:], sorted(contents), [shown[i] for i in order], distinct
    )


def _sums(images: np.ndarray) -> list[bytes]:
    return [hashlib.sha256(np.ascontiguousarray(image).data).digest() for image in images]


def _classes(parts: list[_Part]) -> list[dict[str, Any]]:
    offsets = accumulate((len(part.shown) for part in parts), initial=0)
    return [
        asdict(ImageClass(part.name, part.split, offset, len(part.shown), part.distinct))
        for part, offset in zip(parts, offsets, strict=False)
    ]


def _digest(parts: list[_Part]) -> str:
    """SHA-256 over all classes: for each a line with split, name, count and shape, and the sorted SHA-256 of its
    images."""
    total = hashlib.sha256()
    for part in parts:
        total.update(f"{part.split} {part.name} {len(part.contents)} {part.source_shape}\n".encode())
        total.update(b"".join(part.contents))
    return total.hexdigest()


def _identical(parts: list[_Part]) -> dict[str, Any]:
    """All groups of byte-identical images, each as `split/class/place`, and the number of groups of each kind."""
    places = defaultdict(list)
    for part in parts:
        for place, content in enumerate(part.shown):
            places[content].append((part.split, part.name, place))
    groups = sorted(group for group in places.values() if len(group) > 1)
    kinds = Counter(map(_kind, groups))
    return {"kinds": dict(kinds), "groups": [["/".join(map(str, place)) for place in group] for group in groups]}


def _kind(group: list[tuple[str, str, int]]) -> str:
    """Whether the images of a group are in several splits, in several classes, or in one class."""
    if len({split for split, _, _ in group}) > 1:
        return "across splits"
    return "across classes" if len({name for _, name, _ in group}) > 1 else "within a class"
