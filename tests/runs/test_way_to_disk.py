"""The number of modules between the command line and the record of a run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import files
from bench.records.layout import RECORD
from tests.conftest import ROOT, Command

MOST = 10


def on_the_stack() -> list[str]:
    """The project's modules on the call stack, each once, starting from the command line."""
    frame, names = sys._getframe(1), []
    while frame is not None:
        names.append(frame.f_globals.get("__name__", ""))
        frame = frame.f_back  # type: ignore[assignment]
    return [name.removeprefix("bench.") for name in dict.fromkeys(names[::-1]) if name.startswith("bench.")]


def test_ten_modules_at_most_and_those_that_the_document_names(typed: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    passed: list[list[str]] = []
    write = files.write_atomically

    def watched(path: Path, writer: Callable[[Path], object]) -> None:
        if path.name == RECORD:
            passed.append(on_the_stack())
        write(path, writer)

    monkeypatch.setattr(files, "write_atomically", watched)
    few = ("--iterations", "1", "--set", "validations=1", "--set", "evaluation.episodes=2")
    assert typed("run", "--benchmark", "tiny", *few).returncode == 0
    way = passed[0]
    assert way[0] == "__main__" and way[-1] == "files" and len(way) <= MOST
    text = " ".join((ROOT / "docs" / "architecture.md").read_text().split())
    assert " → ".join(f"`{name}`" for name in way) in text
