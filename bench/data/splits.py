"""The committed class splits, and what a source lacks of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType

from bench.data.images import SourceClass
from bench.errors import UserError


@cache
def read_split(name: str) -> Mapping[str, str]:
    """Class name -> split, in the order of `<name>_split.txt`: a split and a class a line, `#` before a comment."""
    lines = Path(__file__).with_name(f"{name}_split.txt").read_text().splitlines()
    pairs = (line.split(maxsplit=1) for line in lines if not line.startswith("#"))
    return MappingProxyType({class_name: split for split, class_name in pairs})


def check_once(classes: Iterable[SourceClass], where: str) -> None:
    """Raises UserError for a class that stands twice."""
    seen: set[str] = set()
    for c in classes:
        if c.name in seen:
            raise UserError(f"{where}: class {c.name} stands there twice: keep one")
        seen.add(c.name)


def check_belongs(
    classes: Iterable[SourceClass], expected: Mapping[str, str], per_class: int | None, where: str
) -> None:
    """Raises UserError for a class that is unknown or stands in another split, or has too many images."""
    for c in classes:
        if c.name not in expected:
            raise UserError(f"{where}: class {c.name!r} is none of this data set: remove it, or use another copy")
        if c.split != expected[c.name]:
            raise UserError(
                f"{where}: class {c.name} stands in {c.split!r} but belongs to {expected[c.name]!r}: "
                "use the benchmark's own split"
            )
        if per_class is not None and c.count > per_class:
            raise UserError(
                f"{where}: class {c.name} has {c.count} images, not {per_class}: use the benchmark's own images"
            )


def missing(classes: Iterable[SourceClass], expected: Mapping[str, str], per_class: int | None) -> list[str]:
    """What lacks of the full data set: a phrase per split with classes missing, and one for missing images."""
    counts = {c.name: c.count for c in classes}
    absent = [name for name in expected if not counts.get(name)]
    wanted, lost = Counter(expected.values()), Counter(expected[name] for name in absent)
    phrases = [
        f"{lost[split]} of {wanted[split]} {split} classes ({some([n for n in absent if expected[n] == split])})"
        for split in lost
    ]
    short = [f"{name} has {count} of {per_class}" for name, count in counts.items() if 0 < count < (per_class or 0)]
    return phrases + ([f"images of {len(short)} classes ({some(short)})"] if short else [])


def too_few(classes: Sequence[SourceClass], counts: Mapping[str, int]) -> list[str]:
    """What lacks where only the number of classes of a split is known: a phrase per split with classes missing, and
    one for classes without images."""
    here = Counter(c.split for c in classes)
    phrases = [
        f"{most - here[split]} of {most} {split} classes" for split, most in counts.items() if here[split] < most
    ]
    empty = [c.name for c in classes if not c.count]
    return phrases + ([f"the images of {len(empty)} classes ({some(empty)})"] if empty else [])


def some(items: Sequence[str], most: int = 3) -> str:
    """The first few of them."""
    return ", ".join(items[:most]) + (", ..." if len(items) > most else "")
