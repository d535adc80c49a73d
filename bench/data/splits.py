"""The committed class splits, and what a copy lacks of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType

from bench.data.images import SourceClass
from bench.errors import UserError, quantity


@cache
def read_split(name: str) -> Mapping[str, str]:
    """Class name -> split, in the order of `<name>_split.txt`: a split and a class per line; lines with `#` are
    comments."""
    lines = Path(__file__).with_name(f"{name}_split.txt").read_text().splitlines()
    pairs = (line.split(maxsplit=1) for line in lines if not line.startswith("#"))
    return MappingProxyType({class_name: split for split, class_name in pairs})


def check_once(classes: Iterable[SourceClass], where: str) -> None:
    """Raises UserError if a class occurs twice."""
    seen: set[str] = set()
    for c in classes:
        if c.name in seen:
            raise UserError(f"{where}: class {c.name} is in it twice: keep one")
        seen.add(c.name)


def in_two_splits(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """The classes, among these (split, class) pairs, that are in more than one split."""
    owner: dict[str, str] = {}
    return list(dict.fromkeys(name for split, name in pairs if owner.setdefault(name, split) != split))


Range = tuple[int, int]  # least and most


def check_belongs(
    classes: Sequence[SourceClass], expected: Mapping[str, str], per_class: Range | None, where: str
) -> None:
    """Raises UserError for a class that is unknown, in another split, or has too many images."""
    for c in classes:
        if c.name not in expected:
            others = [each.name for each in classes if each.name not in expected]
            if all(name.isdecimal() for name in others):
                raise UserError(
                    f"{where}: {len(others)} of {len(classes)} classes are named by number ({some(others)}), and "
                    "which class a number means cannot be recovered: use a copy that has the names"
                )
            raise UserError(
                f"{where}: class {c.name!r} does not belong to this data set; in all {len(others)} of {len(classes)} "
                f"classes do not ({some(others)}): "
                f"{'remove them' if len(others) < len(classes) else 'this is another data set'}, or use another copy"
            )
        if c.split != expected[c.name]:
            raise UserError(
                f"{where}: class {c.name} is in {c.split!r} but belongs to {expected[c.name]!r}: "
                f"{_swapped_splits_hint(classes, expected) or _how_many_elsewhere(classes, expected)}"
            )
        if per_class is not None and c.count > per_class[1]:
            raise UserError(
                f"{where}: class {c.name} has {c.count} images, not {per_class[1]}: use the benchmark's own images"
            )


def _swapped_splits_hint(classes: Iterable[SourceClass], expected: Mapping[str, str]) -> str:
    """What to do if the files of two splits were swapped; empty if they were not."""
    pairs = {(c.split, expected[c.name]) for c in classes if expected.get(c.name) != c.split and c.name in expected}
    if len(pairs) == 2 and pairs == {(b, a) for a, b in pairs}:
        one, other = sorted(pairs)[0]
        return f"the files of {one} and {other} are swapped: swap their names"
    return ""


def _how_many_elsewhere(classes: Sequence[SourceClass], expected: Mapping[str, str]) -> str:
    elsewhere = sum(expected.get(c.name) != c.split for c in classes)
    return (
        f"{elsewhere} of {len(classes)} classes are in the wrong split, so this is another split: use a copy in the "
        "benchmark's own split, or add it as `folder`, under its own name"
    )


def missing(classes: Iterable[SourceClass], expected: Mapping[str, str], per_class: Range | None) -> list[str]:
    """What is missing from the full data set: a phrase per split with missing classes, and one for missing images."""
    counts = {c.name: c.count for c in classes}
    absent = [name for name in expected if not counts.get(name)]
    wanted, lost = Counter(expected.values()), Counter(expected[name] for name in absent)
    phrases = [
        f"{lost[split]} of {wanted[split]} {split} classes ({some([n for n in absent if expected[n] == split])})"
        for split in lost
    ]
    least, most = per_class or (0, 0)
    every = f"{most}" if least == most else f"{least} to {most}"
    short = [f"{name} has {count} of {every}" for name, count in counts.items() if 0 < count < least]
    return phrases + ([f"images of {quantity(len(short), 'class')} ({some(short)})"] if short else [])


def too_few(classes: Sequence[SourceClass], counts: Mapping[str, int]) -> list[str]:
    """What is missing if only the number of classes per split is known: a phrase per split with missing classes, and
    one for classes without images."""
    here = Counter(c.split for c in classes)
    phrases = [
        f"{most - here[split]} of {most} {split} classes" for split, most in counts.items() if here[split] < most
    ]
    empty = [c.name for c in classes if not c.count]
    return phrases + ([f"the images of {quantity(len(empty), 'class')} ({some(empty)})"] if empty else [])


def lost_images(classes: Sequence[SourceClass], totals: Mapping[str, int]) -> list[str]:
    """A phrase per split, or for `all`, with fewer images than in `totals`."""
    here = _totals(classes)
    return [
        f"{most - here[split]:,} of {most:,}{'' if split == 'all' else f' {split}'} images"
        for split, most in totals.items()
        if here[split] < most
    ]


def check_not_too_many(
    classes: Sequence[SourceClass], counts: Mapping[str, int], totals: Mapping[str, int], where: str
) -> None:
    """Raises UserError if a split has more classes or images than the data set: then it is another data set."""
    here, images = Counter(c.split for c in classes), _totals(classes)
    for kind, found, most in (("classes", here, counts), ("images", images, totals)):
        if over := next((split for split in most if found[split] > most[split]), None):
            split = "" if over == "all" else f"{over} "
            raise UserError(
                f"{where}: {found[over]:,} {split}{kind}, but the data set has {most[over]:,}: this is another data "
                "set in the same form: add it as `folder`, one folder per class, under its own name"
            )


def _totals(classes: Iterable[SourceClass]) -> Counter[str]:
    found: Counter[str] = Counter()
    for c in classes:
        found.update({c.split: c.count, "all": c.count})
    return found


def some(items: Sequence[str], most: int = 3) -> str:
    """The first few items, as text."""
    return ", ".join(items[:most]) + (", ..." if len(items) > most else "")
