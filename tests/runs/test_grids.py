"""Lists in an experiment: a training for every combination, one of them chosen on validation episodes, and only that
one tested."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import bench
from bench import records
from bench.protocols import experiments
from bench.protocols.protocol import Evaluation
from bench.runs import complete, grids
from tests.conftest import Command, one_line

FILE = """\
seeds = 2
benchmarks = ["tiny"]
methods = ["maml", "finetune"]
protocol = "paper"

[[run]]
[run.set]
iterations = 4
validations = 1
inner_lr = [0.0001, 0.5, 2.0]
evaluation.episodes = 4
finetune_lrs = [0.5, 0.1]
"""

# One inner step with the second rate leaves the training finite, ten of the validation do not.
SINUSOID = """\
seeds = 1
[[run]]
benchmarks = ["sinusoid-5s"]
methods = ["maml"]
protocol = "quick"
[run.set]
iterations = 1
inner_steps = 1
validations = 1
validation_episodes = 2
weights = "{weights}"
evaluation.episodes = 2
inner_lr = [0.01, 1e6]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "grid.toml"
    path.write_text(FILE.replace('"maml", "finetune"', '"maml"').replace("finetune_lrs = [0.5, 0.1]\n", ""))
    return path


def found(tmp_path: Path) -> list[records.Record]:
    made, problems = records.read_all(tmp_path / "results" / "runs")
    assert not problems
    return made


def mean_valid(made: list[records.Record]) -> dict[float, float]:
    """Rate -> the mean over its seeds of the last validation score."""
    rates = sorted({each.training.inner_lr for each in made})
    last = {rate: [e.curve["valid_score"].iloc[-1] for e in made if e.training.inner_lr == rate] for rate in rates}
    return {rate: sum(scores) / len(scores) for rate, scores in last.items()}


def test_a_list_is_every_combination(tmp_path: Path) -> None:
    (tmp_path / "grid.toml").write_text(FILE.replace("inner_lr = [", "inner_steps = [1, 5]\ninner_lr = ["))
    (block,) = experiments.read(str(tmp_path / "grid.toml")).blocks
    assert len(block.candidates) == 6 and block.tried[:2] == (
        "inner_steps=1, inner_lr=0.0001",
        "inner_steps=1, inner_lr=0.5",
    )
    assert all("finetune_lrs=0.5,0.1" in each.settings and not each.grid for each in block.candidates)


def test_one_is_chosen_on_validation_and_it_alone_is_tested(typed: Command, tmp_path: Path, file: Path) -> None:
    planned = typed("run", "--file", "grid.toml", "--dry-run")
    assert planned.returncode == 0 and planned.stdout.count("seeds 0, 1: about") == 3, planned
    for rate in ("0.0001", "0.5"):
        assert re.search(rf"  tiny maml \w+, .*inner_lr={rate}\b.*, seeds 0, 1: about", planned.stdout)
    assert "inner_lr=0.0001 | inner_lr=0.5 | inner_lr=2.0: only the best on validation is tested" in planned.stdout
    ran = typed("run", "--file", "grid.toml")
    assert ran.returncode == 0, ran
    made = found(tmp_path)
    scores = mean_valid(made)
    best = max(scores, key=lambda rate: (scores[rate], -rate))
    assert len(made) == 6 and {each.training.inner_lr for each in made if each.evaluations} == {best}
    assert f"inner_lr={best} chosen on validation" in ran.stdout and ran.stdout.count("tested only if chosen") == 6
    for each in (each for each in made if each.evaluations):
        (evaluated,) = each.evaluations
        assert evaluated.info["grid"] == {
            "candidates": ["inner_lr=0.0001", "inner_lr=0.5", "inner_lr=2.0"],
            "valid_scores": pytest.approx([scores[rate] for rate in (0.0001, 0.5, 2.0)]),
            "chosen": f"inner_lr={best}",
        }
        assert evaluated.info["at_edge"] == ({} if best == 0.5 else {"inner_lr": "least" if best < 0.5 else "greatest"})
    (row,) = bench.summary(tmp_path / "results" / "runs").to_dict("records")
    assert row["seeds"] == 2

    report = typed("report", "--file", "grid.toml")
    assert "6 of 6 runs finished here" in report.stdout and "not evaluated" not in report.stdout
    text = (tmp_path / "results" / "report-grid" / "report.md").read_text().replace("\\", "")
    assert f"inner_lr={best} had the best mean score on validation episodes, and only it was tested" in text
    again = typed("run", "--file", "grid.toml")
    assert again.returncode == 0 and again.stdout.count("already finished") == 8, again
    assert typed("verify", "tiny", "--results", "results/runs").returncode == 0


def test_a_choice_at_the_edge_is_named(typed: Command, tmp_path: Path, file: Path) -> None:
    file.write_text(file.read_text().replace("[0.0001, 0.5, 2.0]", "[0.0001, 0.0002]"))  # of which either is
    assert typed("run", "--file", "grid.toml").returncode == 0
    report = typed("report", "--file", "grid.toml").stdout
    assert "chosen on validation at the edge of the range: seed 0: " in report and " inner_lr" in report
    cell = next(each.name for each in found(tmp_path) if each.evaluations).removesuffix("/seed0")
    for again in ((), ("--set", "queries=2")):  # in place of the first evaluation, and beside it
        assert typed("evaluate", cell, "--set", "episodes=4", *again).returncode == 0
    tested = [each.evaluations for each in found(tmp_path) if each.evaluations]
    assert [len(evaluations) for evaluations in tested] == [2, 2]
    assert all({"inner_lr"} <= each.edges.keys() and each.info["grid"] for both in tested for each in both)


@pytest.mark.parametrize("weights", ["last", "best"])
def test_a_candidate_without_a_finite_score_is_not_chosen(typed: Command, tmp_path: Path, weights: str) -> None:
    (tmp_path / "grid.toml").write_text(SINUSOID.format(weights=weights))
    ran = typed("run", "--file", "grid.toml")
    assert ran.returncode == 0, ran
    assert "no finite score on validation" in ran.stdout and "inner_lr=0.01 chosen on validation" in ran.stdout
    (tested,) = [each for each in found(tmp_path) if each.evaluations]
    assert tested.training.inner_lr == 0.01 and tested.evaluations[0].info["grid"]["valid_scores"][1] is None


def test_the_one_chosen_is_not_trained_again_to_be_tested(
    typed: Command, tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []
    once = complete.train_runs
    monkeypatch.setattr(complete, "train_runs", lambda jobs, *rest: trained.append(jobs[0].name) or once(jobs, *rest))
    file.write_text(file.read_text().replace("seeds = 2", "seeds = 1").replace("0.0001, 0.5, 2.0", "0.1, 0.5"))
    assert typed("run", "--file", "grid.toml", "--force").returncode == 0
    assert len(trained) == 2 and sum(bool(each.evaluations) for each in found(tmp_path)) == 1


def test_blocks_that_share_a_run_start_it_anew_once(
    typed: Command, tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []
    once = complete.train_runs
    monkeypatch.setattr(complete, "train_runs", lambda jobs, *rest: trained.append(jobs[0].name) or once(jobs, *rest))
    rates, plain = "[0.0001, 0.5, 2.0]", "\n[[run]]\nset = {{ iterations = 4, validations = 1, inner_lr = 0.5, {} }}\n"
    grid = file.read_text().replace("seeds = 2", "seeds = 1").replace(rates, "[0.5, 1e-9]")
    more = [plain.format(f"evaluation.episodes = {count}") for count in (5, 6)]
    file.write_text(grid.replace("\n[[run]]", more[0] + "\n[[run]]") + more[1])
    for done in (2, 4):
        ran = typed("run", "--file", "grid.toml", "--force")
        assert ran.returncode == 0 and "already finished" not in ran.stdout
        (shared,) = [each for each in found(tmp_path) if each.training.inner_lr == 0.5]
        assert len(trained) == done and {5, 6} <= {len(each.scores) for each in shared.evaluations}


def test_what_was_tested_before_is_told_afterwards(typed: Command, tmp_path: Path, file: Path) -> None:
    file.write_text(file.read_text().replace("[0.0001, 0.5, 2.0]", "0.5"))
    assert typed("run", "--file", "grid.toml").returncode == 0
    assert all("grid" not in each.evaluations[0].info for each in found(tmp_path))
    scores = [each.evaluations[0].scores.tolist() for each in found(tmp_path)]
    file.write_text(file.read_text().replace("inner_lr = 0.5", "inner_lr = [0.5, 1e-9]"))
    ran = typed("run", "--file", "grid.toml")
    tested = [each for each in found(tmp_path) if each.training.inner_lr == 0.5]
    assert ran.returncode == 0 and [each.evaluations[0].scores.tolist() for each in tested] == scores
    if "inner_lr=0.5 chosen" in ran.stdout:
        assert all(each.evaluations[0].info["grid"]["chosen"] == "inner_lr=0.5" for each in tested)
    else:
        assert "2 of 4 runs" not in typed("report", "--file", "grid.toml").stdout


def test_a_wider_grid_takes_the_place_of_a_narrower_one() -> None:
    info = {"setting": {"lr": 0.5}, "at_edge": {"lr": "greatest"}}
    found = records.Evaluated(Evaluation(), 1, 0, np.zeros((2, 1)), info)
    for rates, edge in (((0.1, 0.4), {"inner_lr": "greatest"}), ((0.1, 0.4, 0.8), {})):
        grid = grids.Grid(tuple(map(str, rates)), tuple({"inner_lr": rate} for rate in rates), ())
        chosen = grids.ChosenCandidate(grid, (0.5,) * len(rates), 1)
        found = replace(found, info=grids.with_choice(found, chosen.kept, chosen.at_edge))
        assert found.edges == {"lr": "greatest"} | edge and found.info["grid"]["chosen"] == "0.4"


def test_time_that_is_up_comes_before_the_choice(typed: Command, tmp_path: Path, file: Path) -> None:
    file.write_text(file.read_text().replace("seeds = 2", "seeds = 1").replace("0.0001, 0.5, 2.0", "0.1, 0.5"))
    file.write_text(file.read_text().replace("iterations = 4", "iterations = 1"))
    codes = []
    for _ in range(9):
        ran = typed("run", "--file", "grid.toml", "--max-minutes", "0.000001")
        codes.append(ran.returncode)
        if ran.returncode == 0:
            break
    assert codes[-1] == 0 and set(codes[:-1]) == {75}
    assert len(codes) > 2 and sum(bool(each.evaluations) for each in found(tmp_path)) == 1


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ("inner_lr =", "inner_rl =", ", inner_rl", "did you mean 'inner_lr'"),
        ("[0.0001, 0.5, 2.0]", "[0.1, -1]", ", inner_lr", "above 0"),
        (
            "evaluation.episodes = 4",
            "evaluation.queries = [3, 4]",
            ", evaluation.queries",
            "a setting of the evaluation",
        ),
        ("validations = 1", "validations = 0", ", set", "set validations to 1 or more"),
        ("inner_lr = [0.0001, 0.5, 2.0]", "validation_episodes = [3, 4]", ", set", "share their validation episodes"),
        ("[0.0001, 0.5, 2.0]", str([k / 200 for k in range(1, 102)]), ", set", "at most 100"),
        ("[0.0001, 0.5, 2.0]", "[1, 1.0]", ", set", "inner_lr=1 and inner_lr=1.0 are the same"),
        ("[0.0001, 0.5, 2.0]", "[]", ", set", "inner_lr is neither"),
        ('"maml"', '"maml", "finetune"', ", inner_lr", "finetune has no inner_lr: give it its own [[run]]"),
        ("inner_lr =", "finetune_steps = 3\ninner_lr =", "", "finetune_steps=3: used by finetune, "),
    ],
)
def test_mistakes(typed: Command, tmp_path: Path, file: Path, old: str, new: str, place: str, words: str) -> None:
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    found = one_line(typed("run", "--file", "grid.toml"))
    assert f"grid.toml: run 1{place}: " in found and words in found
