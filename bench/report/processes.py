"""Distributes the slow parts of a report over several processes."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")
_FEWEST = 6  # items; with fewer, one process is done before others have started
_work: tuple[Callable[[Any], Any], Sequence[Any]] | None = None  # inherited by the forked processes


@contextmanager
def at_once(do: Callable[[T], R], things: Sequence[T], processes: int) -> Iterator[Iterator[R]]:
    """Yields `do` of every item, in order, computed by other processes while this one goes on. Results and exceptions
    are sent back from forks of this process, which inherit the data; if forking is not safe, or not worth it, the work
    is done here, item by item as they are asked for."""
    global _work
    if processes < 2 or len(things) < _FEWEST or sys.platform != "linux":
        yield map(do, things)
        return
    _work = do, things
    try:
        with multiprocessing.get_context("fork").Pool(processes) as pool:
            yield pool.imap(_done, range(len(things)), max(1, min(20, len(things) // (16 * processes))))
    finally:
        _work = None


def _done(place: int) -> Any:
    assert _work is not None
    do, things = _work
    return do(things[place])
