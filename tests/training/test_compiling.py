"""A compilation is announced, reports that it is still running, and can be skipped by Ctrl-C."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest
import torch

from bench.training import compiling, modes
from bench.training.execution import COMPILED, EAGER, Execution
from bench.training.watch import Event, Said

EXECUTIONS = [Execution(torch.device("cpu"), 1, mode) for mode in (COMPILED, EAGER)]


def test_announced_and_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "_AT_ONCE", 0.02)
    monkeypatch.setattr(compiling, "_SECONDS", 0.02)
    first, *signs = _said(lambda execution: time.sleep(0.1), COMPILED)
    assert "compiling" in first and signs and all("still compiling" in line for line in signs)


def test_nothing_is_said_of_what_takes_no_time() -> None:
    assert not _said(lambda execution: None, COMPILED)


def test_left_by_an_interrupt() -> None:
    def attempt(execution: Execution) -> None:
        if execution.compiled:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)

    asked: list[int] = []
    before = signal.signal(signal.SIGINT, lambda *_: asked.append(1))  # as a run has it: stop after this iteration
    try:
        lines = _said(attempt, EAGER)
        os.kill(os.getpid(), signal.SIGINT)
        assert asked == [1]  # and has it again
    finally:
        signal.signal(signal.SIGINT, before)
    assert lines[-1] == "continuing without mode compiled: interrupted by Ctrl-C"


def test_nothing_is_said_of_what_is_not_compiled() -> None:
    heard: list[Event] = []
    with compiling.announce(EXECUTIONS[1], heard.append):
        pass
    assert not heard


def _said(attempt: Callable[[Execution], None], mode: str) -> list[str]:
    """The messages while a training is prepared by `attempt`; asserts that it ends up in this mode."""
    heard: list[Event] = []

    def prepared(execution: Execution) -> str:
        with compiling.announce(execution, heard.append):
            attempt(execution)
        return execution.mode

    assert modes.first_that_runs(EXECUTIONS, prepared, heard.append) == mode
    return [event.line for event in heard if isinstance(event, Said)]
