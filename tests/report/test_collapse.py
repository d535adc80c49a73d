"""Collapsed trainings: announced after the run, marked in the report, and never given an interval of width 0."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import bench
from bench import records
from bench.analysis import collapse
from bench.protocols.measures import ACCURACY, SQUARED_ERROR
from bench.report import build
from tests.conftest import Command
from tests.report.synthetic import write_run


def collapsing(runs: Path, seed: int) -> None:
    """A run whose every answer is the same: each episode scores at chance."""
    folder = write_run(runs, seed=seed)
    whole = records.read(folder).evaluations[0]
    about = {name: whole.info[name] for name in ("setting", "score", "episodes_digest")}
    records.write_evaluation(folder, whole.evaluation, whole.iteration, whole.step, 0 * whole.scores + 0.2, about)


def row(made: build.Report) -> dict[str, str]:
    path = next(path for path in made.files if path.name == "report.csv")
    with open(path, newline="") as file:
        return next(csv.DictReader(file))


@pytest.mark.parametrize(
    ("scores", "measure", "expected"),
    [
        ([0.2, 0.2, 0.2], ACCURACY, True),
        ([0.2, 0.4, 0.2], ACCURACY, False),
        ([1.0, 1.0, 1.0], ACCURACY, False),
        ([0.2], ACCURACY, False),
        ([0.2, 0.2], SQUARED_ERROR, False),
    ],
)
def test_one_answer_to_everything(scores: list[float], measure: object, expected: bool) -> None:
    assert collapse.collapsed(np.array(scores), measure) is expected


def test_it_is_marked_and_has_no_interval_and_no_verdict(runs: Path, out: Path) -> None:
    for seed in range(3):
        collapsing(runs, seed)
    made = build.build(runs, out)
    found = row(made)
    assert found["accuracy"] == "20.0" and found["both_low"] == found["over_episodes_low"] == ""
    assert found["crossed_bootstrap_low"] == "" and found["verdict"] == "not judged" and "collapsed" in found["why"]
    line = "seed1: collapsed: every test episode scored exactly 20.00 %, one answer to everything; the training loss"
    pages = [path.read_text() for path in made.files if path.suffix in (".html", ".md")]
    assert len(pages) == 2 and all(line in text for text in (made.text, *pages))
    assert "(chance: 1.61)" in made.text and "20.00 to 20.00" not in "".join(pages)
    assert bench.frame(runs, rows="evaluation")["collapsed"].all()


def test_one_of_several_seeds_is_spread_and_is_named(runs: Path, out: Path) -> None:
    for seed in range(2):
        write_run(runs, seed=seed)
    collapsing(runs, 2)
    found = row(build.build(runs, out))
    assert found["seed_numbers"] == "0 1 2" and float(found["both_low"]) < float(found["accuracy"])
    assert found["verdict"] != "not judged" and "the mean includes seed 2, which collapsed" in found["why"]


@pytest.mark.slow
def test_it_is_said_after_the_run(typed: Command) -> None:
    wild = ("run", "--benchmark", "tiny", "--method", "maml", "--set", "meta_lr=1e12", "--iterations", "40")
    made = typed(*wild, "--threads", "1")
    assert made.returncode == 0
    assert "collapsed: every test episode scored exactly 20.00 %, one answer to everything: lower" in made.stdout
