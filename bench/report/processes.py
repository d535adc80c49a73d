"""The parts of a report that take long, each done in one of several processes."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")
_FEWEST = 16  # things to do, below which one process is done before others have begun
_work: tuple[Callable[[Any], Any], Sequence[Any]] | None = None  # what forked processes find when they begin


def each(do: Callable[[T], R], things: Sequence[T], processes: int) -> list[R]:
    """`do` of every thing, in their order. What it returns, or raises, is sent back from a fork of this process, which
    has what it needs; where processes cannot be forked safely, it is done here."""
    global _work
    if processes < 2 or len(things) < _FEWEST or sys.platform != "linux":
        return [do(thing) for thing in things]
    _work = do, things
    try:
        with multiprocessing.get_context("fork").Pool(processes) as pool:
            return list(pool.imap(_done, range(len(things)), max(1, min(20, len(things) // (16 * processes)))))
    finally:
        _work = None


def _done(place: int) -> Any:
    assert _work is not None
    do, things = _work
    return do(things[place])
