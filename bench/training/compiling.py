"""Compilation takes seconds to minutes: announces it, shows that it is running, and lets Ctrl-C skip it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.training.execution import Execution
from bench.training.watch import Listener, Said

_SECONDS = 15.0  # between signs of life


class Left(Exception):
    """The user would rather go on without: to `modes.first_that_runs` a failure like any other."""


@contextmanager
def announced(execution: Execution, on_event: Listener) -> Iterator[None]:
    """While it is entered, what is to be compiled is. Raises Left on Ctrl-C."""
    if not execution.compiled:
        yield
        return
    on_event(Said(f"mode {execution.mode}: compiling, which takes minutes the first time; Ctrl-C continues without it"))
    done = threading.Event()
    # Nobody else speaks meanwhile: the thread that would is the one that compiles.
    life = threading.Thread(target=_signs_of_life, args=(done, on_event), daemon=True)
    life.start()
    try:
        with _interruptible():
            yield
    except KeyboardInterrupt:
        raise Left("interrupted by Ctrl-C") from None
    finally:
        done.set()
        life.join()


def _signs_of_life(done: threading.Event, on_event: Listener) -> None:
    started = time.monotonic()
    while not done.wait(_SECONDS):
        on_event(Said(f"still compiling, after {time.monotonic() - started:.0f} s"))


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C raises at once, where it asks otherwise to stop after an iteration; a process that does not hear it, such
    as a worker, still does not."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before in (signal.SIG_IGN, None):
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
