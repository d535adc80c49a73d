"""Distributes the slow parts of a report over several processes."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")
_FEWEST = 16  # with fewer items than this, one process finishes before others have started
_work: tuple[Callable[[Any], Any], Sequence[Any]] | None = None  # read by forked processes


def each(do: Callable[[T], R], things: Sequence[T], processes: int) -> list[R]:
    """`do` of every item, in order. Results and exceptions are sent back from forks of this process, which inherit the
    data; if forking is not safe, or not worth it, the work is done here."""
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
