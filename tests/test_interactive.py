"""The functions of `bench` in Python, such as `bench.run`: the examples in their docstrings run, and `help(bench)`
lists them."""

from __future__ import annotations

import doctest
import inspect
import pydoc
from pathlib import Path

import pandas as pd
import pytest

import bench
import bench.episodes.streams
import bench.report.build
from bench.errors import UserError

FEW = {"iterations": 2, "validations": 1, "evaluation.episodes": 5}


def test_the_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    finder, runner = doctest.DocTestFinder(recurse=False), doctest.DocTestRunner()
    for name in ("run", "report", "summary", "episodes"):  # in the order of the work
        (example,) = finder.find(getattr(bench, name), name, globs={"bench": bench})
        assert example.examples
        runner.run(example)
    assert runner.summarize().failed == 0


def test_help_shows_these() -> None:
    shown = pydoc.plain(pydoc.render_doc(bench)).partition("FUNCTIONS")[2].partition("\nDATA")[0]
    assert {name for name in bench.__all__ if f"\n    {name}(" in shown} == set(bench.__all__)
    assert shown.count(") -> '") == len(bench.__all__)
    assert all(inspect.isfunction(getattr(bench, name)) for name in bench.__all__)  # though packages have such names


def test_goes_on_and_says_how_far(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = bench.run("tiny", settings=FEW | {"iterations": 12}, results=tmp_path)
    assert "s per iteration" in capsys.readouterr().out
    again = bench.run("tiny", settings=FEW | {"iterations": 12}, results=tmp_path)
    pd.testing.assert_frame_equal(made, again)
    assert {"over_episodes_low", "verdict", "accuracy"} <= {*made} and len(made) == 1


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda folder: bench.run("tniy", results=folder), "did you mean 'tiny'"),
        (lambda folder: bench.run("tiny", seeds=0, results=folder), "give at least 1"),
        (lambda folder: bench.run("tiny", settings={"inner_rl": 1}, results=folder), "did you mean 'inner_lr'"),
        (lambda folder: bench.summary(folder), "no records"),
        (lambda folder: bench.episodes("tiny", "tset"), "did you mean 'test'"),
        (lambda folder: bench.episodes("tiny", count=0), "take at least one"),
    ],
)
def test_mistakes(tmp_path: Path, call, expected: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UserError, match=expected):
        call(tmp_path)
