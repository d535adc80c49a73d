"""Runs the real command in processes that can be interrupted, or killed after a time or at a file operation of theirs.

A fork server that has already imported torch starts them, which saves seconds per process."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from unittest import mock

from bench import records
from bench.records import layout
from tests.conftest import bench_environment
from tests.counting import counts

KILLS = int(os.environ.get("BENCH_KILLS", "3"))  # of each kind
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    ["tests.killing", "bench.cli", "bench.runs.planning", "bench.runs.complete", "bench.data.store", "torch._dynamo"]
)
_LONGEST_SECONDS = 300
_TOUCHING = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree")


@dataclass(frozen=True)
class Ended:
    """The exit code of a process (0, 1, 2, or -9 if it was killed), and its output."""

    code: int
    said: str


def command(cwd: Path, data_dir: Path, arguments: Sequence[str], **how: Any) -> Ended:
    """Runs `python -m bench ...` in a separate process until it ends; options as for `started`."""
    made = started(cwd, data_dir, arguments, **how)
    made.join(_LONGEST_SECONDS)
    ended = Ended(made.exitcode, said(cwd))
    assert ended.code in (0, 1, 2, -signal.SIGKILL), ended
    if ended.code == -signal.SIGKILL:
        counts["kills survived"] += 1
    return ended


def started(
    cwd: Path,
    data_dir: Path,
    arguments: Sequence[str],
    *,
    after_seconds: float | None = None,
    at: int | None = None,
    before: Callable[[], object] | None = None,
) -> BaseProcess:
    """Starts `python -m bench ...` in a separate process and returns the process. It is killed `after_seconds` after it
    first writes to a file under its folders, or before its file operation number `at` there, counted from 0. `before`:
    a function that the process calls first."""
    (cwd / "said.txt").touch()
    made = _SERVER.Process(target=_run, args=(cwd, str(data_dir), tuple(arguments), after_seconds, at, before))
    with mock.patch.dict(os.environ, bench_environment(data_dir)):  # of the server, where this is the first
        made.start()
    return made


def said(cwd: Path) -> str:
    """What the last process started in this folder has printed so far, errors included."""
    return (cwd / "said.txt").read_text()


def working(cwd: Path, data_dir: Path, arguments: Sequence[str], runs: int = 1) -> BaseProcess:
    """The command in a separate process, when so many of its runs have a checkpoint."""
    made = started(cwd, data_dir, arguments)
    assert have_checkpoints(cwd / "results" / "runs", runs, made.is_alive), said(cwd)
    return made


def have_checkpoints(results: Path, runs: int, alive: Callable[[], bool]) -> bool:
    """Waits until so many runs have a checkpoint; False if the command that makes them ends before, or takes
    minutes."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and alive():
        if sum(records.read_info(folder)["iteration"] > 0 for folder in layout.folders(results)) == runs:
            return True
        time.sleep(0.01)
    return False


def _run(
    cwd: Path,
    data_dir: str,
    arguments: tuple[str, ...],
    after_seconds: float | None,
    at: int | None,
    before: Callable[[], object] | None,
) -> None:
    from bench.__main__ import main

    os.chdir(cwd)
    os.environ["BENCH_DATA"] = data_dir
    sys.argv = ["bench", *arguments]
    with open("said.txt", "w") as file, redirect_stdout(file), redirect_stderr(file):
        if before is not None:
            before()
        sys.addaudithook(_Killer((str(cwd), data_dir), after_seconds, at))
        code = main()
    sys.exit(code)


class _Killer:
    """An audit hook: Python calls it before each file operation."""

    def __init__(self, places: tuple[str, ...], after_seconds: float | None, at: int | None) -> None:
        self.places, self.after_seconds, self.at, self.done = places, after_seconds, at, 0

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if event not in _TOUCHING or not self._ours(event, arguments):
            return
        if self.done == 0 and self.after_seconds is not None:
            threading.Thread(target=_kill, args=(self.after_seconds,), daemon=True).start()
        if self.done == self.at:
            _kill(0)
        self.done += 1

    def _ours(self, event: str, arguments: tuple[object, ...]) -> bool:
        path = os.path.abspath(os.fsdecode(arguments[0])) if isinstance(arguments[0], str | bytes | Path) else ""
        reads = event == "open" and not int(arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR)  # type: ignore[call-overload]
        return path.startswith(self.places) and not reads


def _kill(after_seconds: float) -> None:
    time.sleep(after_seconds)
    os.kill(os.getpid(), signal.SIGKILL)
