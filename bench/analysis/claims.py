"""Published numbers, each with its source, its protocol where that is known, and the margin fixed before any run.

`published.csv` beside this module ships with the package. `protocol` is a preset's name, or empty: not known.
`iterations` is what the claim is held against; `margin` (points) is the delta of the project's statistics.md, 2.0 on
miniImageNet, 1.0 on Omniglot, 0.5 on Omniglot 5-way 5-shot.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import UserError, unknown
from bench.protocols import benchmarks
from bench.protocols.benchmarks import Benchmark, Shape
from bench.protocols.presets import PRESETS

SEEDS = 5  # of the runs that a verdict is asked for with
PUBLISHED = Path(__file__).with_name("published.csv")

# What a ± can be; other words, or none, say nothing of it that a verdict could rest on.
OVER_TASKS = ("over tasks", "over episodes")
OVER_TRAININGS = "over trainings"
_SD = re.compile(r"SD of (\d+) trainings")


@dataclass(frozen=True)
class Claim:
    """One published number. `accuracy`, `ci95` (what is printed behind ±: `ci_meaning` says what that is) and `margin`
    are in points; None: not published."""

    about: Benchmark
    method: str
    variant: str
    accuracy: float
    ci95: float | None
    ci_meaning: str
    tasks: int | None
    queries_per_class: int | None
    bn_mode: str
    source: str
    note: str
    protocol: str
    iterations: int | None
    margin: float | None

    @property
    def benchmark(self) -> str:
        """Its name."""
        return self.about.name

    @property
    def number(self) -> str:
        """Such as `63.11 ± 0.92`, with what the ± is where it is not over tasks."""
        if self.ci95 is None:
            return f"{self.accuracy:.2f}"
        said = "" if self.over_tasks is not None else f" ({self.ci_meaning or 'unknown'})"
        return f"{self.accuracy:.2f} ± {self.ci95:.2f}{said}"

    @property
    def over_tasks(self) -> float | None:
        """The half-width of the interval over test tasks of one trained model; None where the ± is something else."""
        return self.ci95 if self.ci_meaning in OVER_TASKS else None

    @property
    def trainings(self) -> int | None:
        """Of how many the ± is the standard deviation; None where it is something else."""
        found = _SD.fullmatch(self.ci_meaning)
        return int(found[1]) if found and self.ci95 is not None else None


def published() -> list[Claim]:
    """The claims that ship with the package."""
    return read(PUBLISHED)


def read(path: Path, own: Mapping[str, Shape] | None = None) -> list[Claim]:
    """The claims in a CSV file; `own`: a user's data sets, as `benchmarks.get` takes them. Raises UserError, one line
    that names file and line."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            return _claims(path, csv.DictReader(file, strict=True), own)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read the claims in {path}: {getattr(error, 'strerror', None) or error}") from error


def _claims(path: Path, rows: csv.DictReader[str], own: Mapping[str, Shape] | None) -> list[Claim]:
    _check_columns(path, rows.fieldnames or [])
    claims = []
    for row in rows:
        try:
            claims.append(_claim(row, own))
        except UserError as error:
            raise UserError(f"{path}, line {rows.line_num}: {error}") from error
    return claims


def _check_columns(path: Path, names: list[str] | Any) -> None:
    for name in names:
        if name not in _COLUMNS:
            raise UserError(f"{path}, line 1: {unknown('column', name, _COLUMNS)}")
    missing = [name for name in _COLUMNS if name not in names]
    if missing:
        raise UserError(f"{path}, line 1: no column {', '.join(missing)}; the columns are {','.join(_COLUMNS)}")


def _claim(row: dict[str, Any], own: Mapping[str, Shape] | None) -> Claim:
    if None in row or None in row.values():
        raise UserError(f"not {len(_COLUMNS)} cells")
    values = {name: check(name, row[name].strip()) for name, check in _COLUMNS.items()}
    return Claim(benchmarks.get(values.pop("benchmark"), own), **values)


def _text(name: str, text: str) -> str:
    return text


def _meaning(name: str, text: str) -> str:
    """Any words, of which those above are understood."""
    found = _SD.fullmatch(text)
    if found and int(found[1]) < 2:
        raise UserError(f"{name} {text!r} is of fewer than 2 trainings, which have no standard deviation")
    return text


def _some(name: str, text: str) -> str:
    if not text:
        raise UserError(f"{name} is empty")
    return text


def _one_of(known: Any, kind: str, *, may_be_empty: bool = False) -> Callable[[str, str], str]:
    def checked(name: str, text: str) -> str:
        if text in known or (may_be_empty and not text):
            return text
        raise unknown(kind, text, known)

    return checked


def _number(least: float, most: float, *, may_be_empty: bool = True) -> Callable[[str, str], float | None]:
    def checked(name: str, text: str) -> float | None:
        if may_be_empty and not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise UserError(f"{name} {text!r} is not a number from {least:g} to {most:g}")
        return value

    return checked


def _whole(least: int) -> Callable[[str, str], int | None]:
    def checked(name: str, text: str) -> int | None:
        if not text:
            return None
        if not text.isascii() or not text.isdigit() or int(text) < least:
            raise UserError(f"{name} {text!r} is not a whole number of at least {least}")
        return int(text)

    return checked


_COLUMNS: dict[str, Callable[[str, str], Any]] = {
    "benchmark": _text,
    "method": _some,
    "variant": _text,
    "accuracy": _number(0, 100, may_be_empty=False),
    "ci95": _number(0, 100),
    "ci_meaning": _meaning,
    "tasks": _whole(2),
    "queries_per_class": _whole(1),
    "bn_mode": _one_of(("transductive", "inductive", "running"), "bn_mode", may_be_empty=True),
    "source": _some,
    "note": _text,
    "protocol": _one_of(PRESETS, "protocol", may_be_empty=True),
    "iterations": _whole(1),
    "margin": _number(0, 100),
}
