"""Trained weights evaluated on another benchmark than they were trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench import records
from bench.analysis.cells import Cell
from bench.analysis.claims_file import published_claims
from bench.analysis.verdicts import disqualified_by
from bench.protocols import presets
from bench.protocols.benchmarks import get
from tests.conftest import Command, one_line


@pytest.fixture
def evaluate(typed: Command, tmp_path: Path):
    """Runs `evaluate` on a short training on `tiny`."""
    made = typed("run", "--benchmark", "tiny", "--method", "protonet", "--method", "maml", "--iterations", "2")
    assert made.returncode == 0, made.stderr

    def asked(method: str, *options: str):
        (folder,) = (tmp_path / "results" / "runs" / "tiny" / method).glob("*/seed0")
        return typed("evaluate", str(folder), "--set", "episodes=10", *options)

    return asked


def test_recorded_verified_and_shown_apart(evaluate, typed: Command, tmp_path: Path) -> None:
    for method, name in (("maml", "omniglot-5w5s"), ("maml", "omniglot-3w1s"), ("protonet", "omniglot-20w1s")):
        done = evaluate(method, "--benchmark", name)
        assert done.returncode == 0 and f"on {name}: " in done.stdout, done.stderr
    (record,) = (each for each in records.read_all(tmp_path / "results" / "runs")[0] if each.method == "maml")
    found = {each.evaluation.benchmark: each for each in record.evaluations}
    assert set(found) == {None, "omniglot-5w5s", "omniglot-3w1s"}
    assert found["omniglot-5w5s"].evaluation.queries == 5 and found["omniglot-5w5s"].info["data"]["name"] == "omniglot"
    verified = typed("verify", "--all")
    assert verified.returncode == 0 and verified.stdout.count("equal, bit for bit") == 5, verified.stdout
    shown = typed("report").stdout
    of_other = shown.split("omniglot-5w5s\n")[1]
    assert "maml [trained on tiny: paper" in of_other
    assert "protonet [trained on tiny" in shown.split("omniglot-20w1s\n")[1]


def test_weights_that_do_not_fit_are_one_line(evaluate) -> None:
    for method, name, said in (
        ("maml", "omniglot-20w1s", "its head has the 5 outputs"),
        ("protonet", "miniimagenet-5w1s", "the weights of tiny need"),
        ("protonet", "sinusoid-5s", "the weights of tiny need"),
        ("protonet", "omniglot-5w", "did you mean"),
    ):
        assert said in one_line(evaluate(method, "--benchmark", name))
    assert "--benchmark B" in one_line(evaluate("maml", "--set", "shots=5"))


def test_the_papers_5_shot_numbers_are_its_1_shot_training(evaluate, tmp_path: Path) -> None:
    """Three seeds of the paper's 5-way 1-shot training, evaluated on 5-way 5-shot, are judged by the 5-shot claim."""
    evaluate("maml", "--benchmark", "omniglot-5w5s")
    (record,) = (each for each in records.read_all(tmp_path / "results" / "runs")[0] if each.method == "maml")
    trained, tested = (presets.paper(get(f"omniglot-5w{shots}s")) for shots in (1, 5))
    at = trained.training.iterations
    about = record.info | {"benchmark": "omniglot-5w1s"}
    record = replace(record, benchmark="omniglot-5w1s", training=trained.training, info=about)
    (evaluated,) = (each for each in record.evaluations if each.evaluation.benchmark)
    evaluated = replace(evaluated, iteration=at, evaluation=replace(tested.evaluation, benchmark="omniglot-5w5s"))
    cell = Cell(tuple((replace(record, seed=seed), evaluated) for seed in range(3)))
    (claim,) = (
        c for c in published_claims() if (c.benchmark, c.method, c.protocol) == ("omniglot-5w5s", "maml", "paper")
    )
    assert disqualified_by(claim, cell) == [] and cell.described == "trained on omniglot-5w1s: paper"
    other = replace(record, training=replace(trained.training, shots=5))
    (reason,) = disqualified_by(claim, Cell(tuple((replace(other, seed=seed), evaluated) for seed in range(3))))
    assert reason == "shots 5, not 1"
    elsewhere = replace(record, info=record.info | {"benchmark": "tiny"})
    reasons = disqualified_by(claim, Cell(tuple((replace(elsewhere, seed=seed), evaluated) for seed in range(3))))
    assert reasons == ["trained on the classes of tiny"]


def test_a_classifier_of_images_saw_no_episodes_in_training(evaluate, tmp_path: Path) -> None:
    evaluate("maml", "--benchmark", "omniglot-5w1s")
    (record,) = (each for each in records.read_all(tmp_path / "results" / "runs")[0] if each.method == "maml")
    trained, tested = (presets.preset("chen", get(f"omniglot-5w{shots}s")) for shots in (5, 1))
    about = record.info | {"benchmark": "omniglot-5w5s", "method": "finetune"}
    record = replace(record, benchmark="omniglot-5w5s", method="finetune", training=trained.training, info=about)
    (evaluated,) = (each for each in record.evaluations if each.evaluation.benchmark)
    evaluation = replace(tested.evaluation, benchmark="omniglot-5w1s")
    evaluated = replace(evaluated, iteration=trained.training.iterations, evaluation=evaluation)
    cell = Cell(tuple((replace(record, seed=seed), evaluated) for seed in range(3)))
    (claim,) = (c for c in published_claims() if (c.benchmark, c.accuracy) == ("omniglot-5w1s", 94.89))
    assert disqualified_by(claim, cell) == [] and cell.described == "trained on omniglot-5w5s: chen"
