"""Compilation takes seconds to minutes: announces it, reports that it is still running, and lets Ctrl-C skip it.

Before it, one sum is compiled: torch traces a whole method, for minutes, before it looks for a compiler."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

from bench.training.execution import Execution
from bench.training.watch import Listener, Said

_AT_ONCE = 1.0  # seconds; what was compiled before, in this process or another, may take less
_SECONDS = 15.0  # between two reports


class CompilationSkipped(Exception):
    """Raised when Ctrl-C skips the compilation; `modes.first_that_runs` then tries the next execution."""


@contextmanager
def announce(execution: Execution, on_event: Listener) -> Iterator[None]:
    """Context manager around a compilation; says nothing of one that takes no time. Raises CompilationSkipped on
    Ctrl-C, and what torch raises where nothing can be compiled."""
    if not execution.compiled:
        yield
        return
    done = threading.Event()
    # No other thread reports meanwhile: the one that usually does is compiling.
    reporter = threading.Thread(target=_report_until, args=(done, execution.mode, on_event), daemon=True)
    reporter.start()
    try:
        with _interruptible():
            _try_compiler(execution.device)
            yield
    except KeyboardInterrupt:
        raise CompilationSkipped("interrupted by Ctrl-C") from None
    finally:
        done.set()
        reporter.join()


@cache  # of successes: what raises is tried again
def _try_compiler(device: torch.device) -> None:
    torch.compile(torch.add)(torch.ones(2, device=device), torch.ones(2, device=device))


def _report_until(done: threading.Event, mode: str, on_event: Listener) -> None:
    started = time.monotonic()
    if done.wait(_AT_ONCE):
        return
    on_event(Said(f"mode {mode}: compiling, which takes minutes the first time; Ctrl-C continues without it"))
    while not done.wait(_SECONDS):
        on_event(Said(f"still compiling, after {time.monotonic() - started:.0f} s"))


@contextmanager
def _interruptible() -> Iterator[None]:
    """Context manager in which Ctrl-C raises KeyboardInterrupt immediately, instead of asking to stop after an
    iteration. A process that ignores Ctrl-C, such as a worker, still ignores it."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before in (signal.SIG_IGN, None):
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
