"""Reads published numbers from CSV: `published.csv` beside this module, and users' own files. The columns are the
fields of `Claim`, with the name of the benchmark first."""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from bench.analysis.claims import OF_TRAININGS, Claim
from bench.errors import UserError, unknown_name
from bench.protocols import benchmarks
from bench.protocols.benchmarks import Benchmark, Shape
from bench.protocols.presets import PRESETS, from_text

PUBLISHED = Path(__file__).with_name("published.csv")
OWN = "claims.csv"  # a user's own claims, in the results folder


def published_claims() -> list[Claim]:
    """The claims that are part of the package."""
    return read(PUBLISHED)


def every_claim(results: Path, named: Path | None, known: Iterable[Benchmark]) -> list[Claim]:
    """The published claims, followed by the user's, as in `own_claims`."""
    return published_claims() + own_claims(results, named, known)


def own_claims(
    results: Path, named: Path | None, known: Iterable[Benchmark], about: Collection[str] | None = None
) -> list[Claim]:
    """The user's claims: from `named`, or else from the claims file in the results folder, if any. They may be about
    the user's own data sets among the `known` benchmarks. `about`, and errors: as in `read`."""
    beside = results / OWN
    path = named or (beside if beside.exists() else None)
    sources = {benchmark.source for benchmark in (*benchmarks.BUILT_IN.values(), *benchmarks.BENCHMARKS.values())}
    own = {benchmark.source: benchmark.input_shape for benchmark in known if benchmark.source not in sources}
    return read(path, own, about) if path else []


def read(path: Path, own: Mapping[str, Shape] | None = None, about: Collection[str] | None = None) -> list[Claim]:
    """The claims in a CSV file; `own`: the user's data sets, as in `benchmarks.get`; `about`: the names of the
    benchmarks whose rows are read, None for all. Raises UserError with file and line."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            return _claims(path, csv.DictReader(file, strict=True), own, about)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read the claims in {path}: {getattr(error, 'strerror', None) or error}") from error


def _claims(
    path: Path, rows: csv.DictReader[str], own: Mapping[str, Shape] | None, about: Collection[str] | None
) -> list[Claim]:
    _check_columns(path, rows.fieldnames or [])
    claims = []
    for row in rows:
        if about is not None and (row["benchmark"] or "").strip() not in about:
            continue
        try:
            claims.append(_claim(row, own))
        except UserError as error:
            raise UserError(f"{path}, line {rows.line_num}: {error}") from error
    return claims


def _check_columns(path: Path, names: list[str] | Any) -> None:
    for name in names:
        if name not in _COLUMNS:
            raise UserError(f"{path}, line 1: {unknown_name('column', name, _COLUMNS)}")
    missing = [name for name in _COLUMNS if name not in names]
    if missing:
        raise UserError(f"{path}, line 1: no column {', '.join(missing)}; the columns are {','.join(_COLUMNS)}")


def _claim(row: dict[str, Any], own: Mapping[str, Shape] | None) -> Claim:
    if None in row or None in row.values():
        raise UserError(f"not {len(_COLUMNS)} cells")
    values = {name: check(name, row[name].strip()) for name, check in _COLUMNS.items()}
    claim = Claim(benchmarks.get(values.pop("benchmark"), own), **values)
    if claim.protocol:
        from_text(claim.protocol, claim.about)  # raises UserError if the benchmark or a setting does not fit it
    return claim


def _text(name: str, text: str) -> str:
    return text


def _meaning(name: str, text: str) -> str:
    """Any text; only the meanings in `bench.analysis.claims` are understood."""
    found = OF_TRAININGS.fullmatch(text)
    if found and int(found[2]) < 2:
        raise UserError(f"{name} {text!r}: a spread needs at least 2 trainings")
    return text


def _some(name: str, text: str) -> str:
    if not text:
        raise UserError(f"{name} is empty")
    return text


def _one_of(known: Any, kind: str, *, may_be_empty: bool = False) -> Callable[[str, str], str]:
    def checked(name: str, text: str) -> str:
        if text in known or (may_be_empty and not text):
            return text
        raise unknown_name(kind, text, known)

    return checked


def _protocol(name: str, text: str) -> str:
    _one_of(PRESETS, "protocol", may_be_empty=True)(name, text.partition(" ")[0])
    return text


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
    "protocol": _protocol,
    "iterations": _whole(1),
    "margin": _number(0, 100),
}
