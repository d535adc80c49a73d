"""`evaluate --checkpoint` at the real command line, with weights of `tiny` written as the paper's code writes them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from bench import files, records
from bench.records import layout
from tests.conftest import Command, one_line
from tests.tools.authors_weights.conftest import variables
from tests.tools.authors_weights.writer import Bundle

TINY = ("evaluate", "--checkpoint", "weights", "--benchmark", "tiny")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Weights for `tiny`: 8 filters, with a head on their spatial means."""
    return Bundle(variables(1, 8, 8, 5)).write(tmp_path / "weights" / "model20")


def run_folder(tmp_path: Path, results: str = "results/runs") -> Path:
    (folder,) = layout.folders(tmp_path / results)
    return folder


def test_weights_from_elsewhere_are_a_run_that_says_so(typed: Command, tmp_path: Path, weights: Path) -> None:
    result = typed(*TINY, "--set", "queries=3")
    assert result.returncode == 0 and "trained elsewhere" in result.stdout and "after 20 iterations" in result.stdout
    record = records.read(run_folder(tmp_path))
    origin = record.info["origin"]
    assert origin["files"] == {f.name: files.sha256(f) for f in weights.parent.iterdir()}
    assert origin["name"] == f"checkpoint model20 ({record.training.origin})"
    (evaluated,) = record.evaluations
    assert evaluated.evaluation.queries == 3 and evaluated.scores.shape == (20, 4)
    assert evaluated.info["command"] == "python -m bench evaluate --checkpoint weights --benchmark tiny --set queries=3"


def test_every_evaluation_is_of_the_same_run(typed: Command, tmp_path: Path, weights: Path) -> None:
    """By the checkpoint, by its run, under another protocol: one record, and the same scores if requested twice."""
    name = "/".join(run.parts[-4:]) if typed(*TINY).returncode == 0 and (run := run_folder(tmp_path)) else ""
    path = next((run / "evaluations").glob("*.parquet"))
    first = path.read_bytes()
    assert typed("evaluate", name).returncode == 0 and typed(*TINY).returncode == 0
    assert path.read_bytes() == first
    assert typed(*TINY, "--set", "batch_statistics=support").returncode == 0
    assert typed(*TINY, "--protocol", "article", "--set", "episodes=20", "--set", "queries=3").returncode == 0
    assert sorted(e.scores.shape[1] for e in records.read(run).evaluations) == [4, 4, 11]


def test_never_pooled_with_a_run_of_ours(typed: Command, tmp_path: Path, weights: Path) -> None:
    assert typed(*TINY).returncode == 0
    assert typed("run", "--benchmark", "tiny", "--protocol", "paper").returncode == 0
    assert len(list(layout.folders(tmp_path / "results" / "runs"))) == 2
    report = typed("report", "--out", "out")
    assert (
        report.returncode == 0 and "trained elsewhere: paper" in report.stdout and "not trained here" in report.stdout
    )
    with open(tmp_path / "out" / "report.csv", newline="") as file:
        cells = [(row["seeds"], bool(row["origin"]), row["device"]) for row in csv.DictReader(file)]
    assert sorted(cells) == [("0", True, "cpu"), ("1", False, "cpu")]


def test_scores_are_verified_and_the_training_is_not(typed: Command, tmp_path: Path, weights: Path) -> None:
    assert typed(*TINY).returncode == 0
    found = typed("verify", "tiny", "--retrain")
    assert found.returncode == 0 and "verified: bit for bit" in found.stdout, found.stdout
    assert "done elsewhere" in found.stdout
    path = next((run_folder(tmp_path) / "evaluations").glob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-1])
    assert typed("verify", "tiny").returncode == 1


def test_a_record_whose_origin_was_changed_is_left_out(typed: Command, tmp_path: Path, weights: Path) -> None:
    assert typed(*TINY).returncode == 0
    path = run_folder(tmp_path) / layout.RECORD
    info = json.loads(path.read_text())
    info["origin"]["files"]["model20.index"] = 64 * "0"
    files.write_sealed(path, info)
    report = typed("report")
    assert report.returncode == 1 and "do not match the files of checkpoint model20" in report.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("evaluate",), "name a RUN, or give --all, or --checkpoint PATH"),
        (("evaluate", "run", "--checkpoint", "weights"), "name a RUN, or give --all, or --checkpoint PATH"),
        (("evaluate", "--checkpoint", "weights"), "also needs --benchmark"),
        (("evaluate", "run", "--protocol", "paper"), "applies to --checkpoint only"),
        (("evaluate", "--checkpoint", "nowhere", "--benchmark", "tiny"), "no checkpoint at nowhere"),
        (("evaluate", "--checkpoint", ".", "--benchmark", "tiny"), "no TensorFlow checkpoint in ."),
        (("evaluate", "--checkpoint", "weights", "--benchmark", "tniy"), "did you mean 'tiny'"),
        (("evaluate", "--checkpoint", "weights", "--benchmark", "omniglot-5w1s"), "but this benchmark's network needs"),
        ((*TINY, "--protocol", "papr"), "did you mean 'paper'"),
        ((*TINY, "--protocol", "ravi"), "maml cannot be evaluated with batch_statistics=running"),
        ((*TINY, "--set", "inner_lr=0.1"), "setting of an evaluation"),
        ((*TINY, "--set", "weights=best"), "imported weights"),
        ((*TINY, "--set", "queries=20"), "at most 19"),
        ((*TINY, "--at", "20"), "of one iteration"),
        ((*TINY, "--method", "protonet"), "a TensorFlow checkpoint is evaluated with maml"),
        (("run", "--benchmark", "tiny", "--set", "origin=abc"), "unknown setting 'origin'"),
    ],
)
def test_mistakes(typed: Command, weights: Path, arguments: tuple[str, ...], expected: str) -> None:
    assert expected in one_line(typed(*arguments))
    assert not Path("results").exists()


def test_weights_that_are_no_numbers(typed: Command, tmp_path: Path, weights: Path) -> None:
    Bundle(variables(1, 8, 8, 5) | {"model/b5": np.full(5, np.nan, np.float32)}).write(weights)
    assert "model/b5 holds values that are not finite" in one_line(typed(*TINY))
    assert not (tmp_path / "results").exists()


def test_the_authors_weights_are_of_their_benchmark(typed: Command, authors: Path) -> None:
    asked = ("evaluate", "--checkpoint", str(authors), "--benchmark")
    assert "were trained on miniimagenet-5w1s" in one_line(typed(*asked, "miniimagenet-5w5s"))
    assert "data add mini-imagenet PATH" in one_line(typed(*asked, "miniimagenet-5w1s"))
