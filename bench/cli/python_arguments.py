"""The arguments of `bench.run` and the other functions: converts them, or says in one line what was expected."""

from __future__ import annotations

import argparse
import operator
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.cli import argument_types
from bench.errors import UserError


def names(what: str, given: object) -> list[str]:
    """One name or file, or several, as a list of text. Raises UserError if there is none."""
    listed = [given] if isinstance(given, str | Path) else list(given) if isinstance(given, Iterable) else [given]
    if not listed or not all(isinstance(name, str | Path) and str(name) for name in listed):
        raise UserError(f"{what}={_shown(given)}: give a name, or a list of at least one")
    return [str(name) for name in listed]


def name(what: str, given: object) -> str:
    """One name. Raises UserError."""
    if not isinstance(given, str):
        raise UserError(f"{what}={_shown(given)}: give a name, as text")
    return given


def folder(what: str, given: object) -> Path:
    """The path of a folder. Raises UserError."""
    if not isinstance(given, str | Path):
        raise UserError(f"{what}={_shown(given)}: give a folder, as text or a Path")
    return Path(given)


def whole(what: str, given: object, least: int = 0) -> int:
    """A whole number of at least `least`, also one of NumPy's. Raises UserError."""
    try:
        number = operator.index(given)  # type: ignore[arg-type]
    except TypeError:
        number = least - 1
    if isinstance(given, bool) or number < least:
        raise UserError(f"{what}={_shown(given)}: give a whole number of at least {least}")
    return number


def seeds(given: object) -> Sequence[int]:
    """The training seeds: the first ones if a number is given, else those that are listed. Raises UserError."""
    if not isinstance(given, Iterable) or isinstance(given, str):
        return range(whole("seeds", given, 1))
    listed = [whole("seeds", seed) for seed in given]
    if not listed:
        raise UserError("seeds: the list is empty: give at least one")
    return listed


def threads(given: object) -> int | None:
    """The number of CPU threads, or None. Raises UserError."""
    try:
        return None if given is None else argument_types.threads(str(given))
    except argparse.ArgumentTypeError as error:
        raise UserError(f"threads: {error}") from error


def settings(given: object) -> list[str]:
    """Changes of the protocol, each as `name=value`, from a dictionary. Raises UserError."""
    if not isinstance(given, Mapping):
        raise UserError(f"settings={_shown(given)}: give a dictionary, such as {{'inner_lr': 0.1}}")
    return [f"{name}={_as_setting(value)}" for name, value in given.items()]


def _as_setting(value: Any) -> str:
    """A value as text, in the form that `--set` accepts."""
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _shown(given: object) -> str:
    return f"{given!r:.60}"
