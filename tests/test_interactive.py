"""The functions of `bench` in Python, such as `bench.run`: the examples in their docstrings run, and `help(bench)`
lists them."""

from __future__ import annotations

import doctest
import inspect
import pydoc
from pathlib import Path

import numpy as np
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
    other = FEW | {"iterations": 12, "evaluation.episodes": 7}
    more = bench.run("tiny", settings=other, seeds=np.arange(1), results=tmp_path, progress=False)
    assert more["test_episodes"].tolist() == [7]  # not those of the other evaluation of these runs


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda folder: bench.run("tniy", results=folder), "did you mean 'tiny'"),
        (lambda folder: bench.run([], results=folder), "benchmark=.*at least one"),
        (lambda folder: bench.run("tiny", [], results=folder), "method=.*at least one"),
        (lambda folder: bench.run("tiny", dict, results=folder), "method=<class 'dict'>"),
        (lambda folder: bench.run("tiny", seeds=0, results=folder), "at least 1"),
        (lambda folder: bench.run("tiny", seeds=(), results=folder), "the list is empty"),
        (lambda folder: bench.run("tiny", seeds="3", results=folder), "seeds='3': give a whole number"),
        (lambda folder: bench.run("tiny", seeds=[0.5], results=folder), "seeds=0.5"),
        (lambda folder: bench.run("tiny", seeds=-1, results=folder), "seeds=-1"),
        (lambda folder: bench.run("tiny", protocol=3, results=folder), "protocol=3"),
        (lambda folder: bench.run("tiny", settings=["inner_lr=1"], results=folder), "give a dictionary"),
        (lambda folder: bench.run("tiny", threads=0, results=folder), "threads: '0' is not"),
        (lambda folder: bench.run("tiny", device=None, results=folder), "device=None"),
        (lambda folder: bench.run("tiny", results=None), "results=None: give a folder"),
        (lambda folder: bench.report(folder), "no records"),
        (lambda folder: bench.report(7), "results=7"),
        (lambda folder: bench.frame(folder, rows=3), "rows=3"),
        (lambda folder: bench.run("tiny", settings={"inner_rl": 1}, results=folder), "did you mean 'inner_lr'"),
        (lambda folder: bench.summary(folder), "no records"),
        (lambda folder: bench.episodes("tiny", "tset"), "did you mean 'test'"),
        (lambda folder: bench.episodes("tiny", count=0), "count=0: give a whole number of at least 1"),
        (lambda folder: bench.episodes("tiny", first=-1), "first=-1"),
        (lambda folder: bench.episodes("tiny", queries=0), "queries=0"),
        (lambda folder: bench.episodes(["tiny"]), "benchmark=.*give a name, as text"),
    ],
)
def test_mistakes(tmp_path: Path, call, expected: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UserError, match=expected):
        call(tmp_path)
