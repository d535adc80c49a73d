"""Settings that only some methods use: `--set` changes the runs of those methods only."""

from __future__ import annotations

from pathlib import Path

from bench import records
from bench.runs import used_settings, user_methods
from bench.training.workload import NamedMethod
from tests.conftest import Command, one_line

FEW = ("iterations=2", "validations=1", "validation_episodes=2", "evaluation.episodes=4")
RUN = ("run", "--benchmark", "tiny", *(word for setting in FEW for word in ("--set", setting)))
BLOCK = """\
seeds = 1
benchmarks = ["tiny"]
methods = ["maml", "finetune"]
protocol = "quick"

[[run]]
set = { iterations = 2, validations = 1, validation_episodes = 2, evaluation.episodes = 4, finetune_steps = 2 }
"""


def trainings(tmp_path: Path) -> dict[str, records.Record]:
    made, problems = records.read_all(tmp_path / "results" / "runs")
    assert not problems
    return {record.method: record for record in made}


def test_runs_of_a_method_that_does_not_use_a_setting_stay_what_they_were(typed: Command, tmp_path: Path) -> None:
    assert typed(*RUN).returncode == 0
    both = typed(*RUN, "--method", "maml", "--method", "msl", "--set", "multi_step_epochs=2")
    assert both.returncode == 0 and both.stdout.count("already finished") == 1
    found = trainings(tmp_path)
    assert {name: each.training.multi_step_epochs for name, each in found.items()} == {"maml": None, "msl": 2}
    assert typed("report").returncode == 0
    text = (tmp_path / "results" / "report" / "report.md").read_text()
    assert "| maml − msl |" in text  # what one alone uses is part of the method


def test_a_method_is_moved_by_what_trained_the_weights_that_it_evaluates(tmp_path: Path) -> None:
    file = tmp_path / "lent.py"
    file.write_text("from methods import protonet\n\n\nclass Lent(protonet.ProtoNet):\n    weights_of = 'maml'\n")
    assert used_settings.moved_by(user_methods.find(str(file))) == ("inner_lr", "inner_steps")
    assert used_settings.moved_by(NamedMethod("nearest")) == ()


def test_an_experiment_knows_its_runs_by_what_their_methods_use(typed: Command, tmp_path: Path) -> None:
    (tmp_path / "both.toml").write_text(BLOCK)
    assert typed("run", "--file", "both.toml").returncode == 0
    steps = {name: each.evaluations[0].evaluation.finetune_steps for name, each in trainings(tmp_path).items()}
    assert steps["finetune"] == 2 != steps["maml"]
    assert "evaluation.finetune_steps=3: used by" in one_line(
        typed("evaluate", "tiny/maml", "--set", "finetune_steps=3")
    )
    assert "2 of 2 runs finished here" in typed("report", "--file", "both.toml").stdout
