"""A user's own methods, at the real command line: run, evaluated, verified, reported, and checked."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from bench import files, records
from bench.errors import UserError
from bench.protocols import known_methods
from bench.records import layout
from bench.runs import user_methods
from bench.tools.check.rules import RULES
from bench.tools.check.suite import check
from tests.conftest import Command, one_line

TINY = ("run", "--benchmark", "tiny", "--set", "iterations=2", "--set", "validations=1")
MINE = '''"""MAML that leaves nothing unadapted."""

from methods.maml import Maml


class Mine(Maml):
    """What a user writes."""

    def _adapted(self, params):
        return frozenset(params)
'''
# What is wrong with it, its body, and the rule that says so.
BROKEN = {
    "declared": "    needs = 'luck'",
    "initial": "    def init(self, generator):\n        return super().init(torch.Generator())",
    "shapes": "    def predict(self, *given):\n        return super().predict(*given)[0]",
    "neighbours": """    calls = []
    def predict(self, *given):
        self.calls.append(0)
        return super().predict(*given) + len(self.calls)""",
    "batch_norm": """    def _query_outputs(self, params, support, query, mode):
        return super()._query_outputs(params, support, query, 'batch')""",
    "chance": """    def predict(self, state, support, labels, query, setting):
        return torch.nan * super().predict(state, support, labels, query, setting)""",
    "query_order": """    def predict(self, state, support, labels, query, setting):
        return super().predict(state, support, labels, query, setting) + 99 * torch.eye(3).repeat_interleave(3, 0)""",
    "gradient": """    def loss_and_gradient(self, state, batch):
        loss, gradient, carried = super().loss_and_gradient(state, batch)
        return loss, {k: v for k, v in gradient.items() if k != 'head.bias'}, carried""",
    "seeds": """    def loss_and_gradient(self, state, batch):
        loss, gradient, carried = super().loss_and_gradient(state, batch)
        return loss, {k: v * float(loss) for k, v in gradient.items()}, carried""",
    "without_autograd": """    stacked_loss_and_gradient = Maml.stacked_loss_and_gradient

    def loss_and_gradient(self, state, batch):
        loss, gradient, carried = super().loss_and_gradient(state, batch)
        return loss, {k: 1.1 * v for k, v in gradient.items()}, carried""",
}


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


def install(folder: Path, entry: str) -> None:
    """Makes a package in this folder, on Python's path, that provides the method `theirs`."""
    about = folder / "theirs-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[{known_methods.GROUP}]\ntheirs = {entry}\n")


def test_everywhere_a_name_does(typed: Command, tmp_path: Path, mine: Path) -> None:
    run = typed(*TINY, "--method", "mine.py", "--method", "maml")
    assert run.returncode == 0 and f"mine (mine.py, {files.sha256(mine)[:8]}), maml" in run.stdout
    folder = next((tmp_path / "results" / "runs" / "tiny" / "mine").glob("*/seed0"))
    info = records.read(folder).info
    assert info["code"] == {"file": "mine.py", "sha256": files.sha256(mine)}
    assert info["training"]["code"] == files.sha256(mine)[:8]
    assert "already finished" in typed(*TINY, "--method", "mine.py").stdout
    shown = ("show", "episodes", str(folder), "--hardest", "1", "--set", "queries=1", "--out", "hardest.png")
    for command in (shown, ("evaluate", str(folder), "--set", "queries=3"), ("verify", str(folder))):
        assert "give that file with --method path/to/mine.py" in one_line(typed(*command))
        assert typed(*command, "--method", "mine.py").returncode == 0
    assert "bit for bit" in typed("verify", str(folder), "--method", "mine.py", "--retrain").stdout


def test_reported_without_its_file_and_paired(typed: Command, tmp_path: Path, mine: Path) -> None:
    assert typed(*TINY, "--method", "mine.py", "--method", "maml").returncode == 0
    mine.write_text("raise SystemExit('imported')")
    report = typed("report", "--out", "out")
    assert report.returncode == 0 and "mine [mine.py (" in report.stdout
    assert "maml − mine" in (text := (tmp_path / "out" / "report.md").read_text()) or "maml - mine" in text


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            "    def predict(self, *g):\n        return super().predict(*g)[0]",
            "[5, 5] for an episode, not [inner steps + 1,",
        ),
        ("    def predict(self, *g):\n        return super().predict(*g)[:, :1]", "not [inner steps + 1, 5, 5]"),
        ("    def predict(self, *g):\n        return super().predict(*g)[..., :3]", "not [inner steps + 1, 5, 5]"),
        ("    needs = 'luck'", "needs is 'luck', not None or one of"),
        ("    needs = ['x']", "needs is ['x']"),
        ("    batch_statistics = 5", "batch_statistics is 5, not a tuple"),
        ("    batch_statistics = 'batch'", "batch_statistics is 'batch'"),
        ("    settings = ('luck',)", "settings is ('luck',), not a tuple with values from inner_lr,"),
        ("    settings = 'adapt'", "settings is 'adapt'"),
        ("    training_batch = 'foo'", "training_batch is 'foo', not one of episodes, images"),
        ("    def loss_and_gradient(self, *g):\n        raise SystemExit(5)", "line 8: SystemExit: 5"),
    ],
)
def test_what_is_no_method_ends_in_one_line(typed: Command, tmp_path: Path, body: str, words: str) -> None:
    (tmp_path / "mine.py").write_text(f"from methods.maml import Maml\n\n\nclass Mine(Maml):\n    pass\n\n{body}\n")
    ran = typed(*TINY, "--method", "mine.py")
    assert ran.returncode == 2 and words in ran.stderr.splitlines()[-1], ran
    assert not list((tmp_path / "results").rglob("*.parquet"))


def test_a_script_that_exits_is_no_method(typed: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import sys\n\nsys.exit(3)\n")
    for command in (("run", "--benchmark", "tiny", "--method", "mine.py"), ("check", "mine.py")):
        assert "mine.py, line 3: SystemExit: 3" in one_line(typed(*command))


def test_one_file_by_two_names_is_one_method(typed: Command, mine: Path) -> None:
    ran = typed(*TINY, "--method", "mine.py", "--method", f"{mine.parent}/mine.py")
    assert ran.returncode == 0 and ran.stdout.count("20 test episodes") == 1 + 1  # the plan's, and the run's


def test_a_changed_file_is_another_method(typed: Command, tmp_path: Path, mine: Path) -> None:
    assert typed(*TINY, "--method", "mine.py").returncode == 0
    folder = next((tmp_path / "results" / "runs" / "tiny" / "mine").glob("*/seed0"))
    mine.write_text(MINE + "# changed\n")
    assert "mine.py here has " in one_line(typed("verify", str(folder), "--method", "mine.py"))
    assert "already finished" not in typed(*TINY, "--method", "mine.py").stdout
    assert len(list((tmp_path / "results" / "runs" / "tiny" / "mine").iterdir())) == 2
    assert typed("report").stdout.count("mine [mine.py (") == 2

    info = json.loads((folder / layout.RECORD).read_text())
    info["code"]["sha256"] = 64 * "0"
    files.write_sealed(folder / layout.RECORD, info)
    report = typed("report")
    assert report.returncode == 1 and "do not match the file of its method, mine.py" in report.stderr


def test_what_is_executed_is_what_was_hashed(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    for steps in (3, 7):  # of one size and one time, by which Python knows the bytecode that it keeps
        mine.write_text(f"{MINE}    steps = {steps}\n")
        os.utime(mine, (1e9, 1e9))
        assert vars(user_methods.find(str(mine)).kind)["steps"] == steps
    mine.write_text(f"{MINE}    steps = 8\n")
    method = user_methods.find(str(mine))
    mine.write_text(f"{MINE}    steps = 9\n")
    with pytest.raises(UserError, match="was changed while it was in use"):
        _ = method.kind


def test_what_is_executed_of_a_package_is_what_was_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "theirs_changing").mkdir()
    (tmp_path / "theirs_changing" / "__init__.py").touch()
    file = tmp_path / "theirs_changing" / "steps.py"
    install(tmp_path, "theirs_changing.steps:Mine")
    for steps in (3, 7):
        file.write_text(f"from . import steps as itself\n\n{MINE}    steps = {steps}\n")
        os.utime(file, (1e9, 1e9))
        assert vars(user_methods.find("theirs").kind)["steps"] == steps


def test_a_module_that_its_package_imports_is_executed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "theirs_around"
    package.mkdir()
    (package / "__init__.py").write_text("from .steps import Mine\n")
    log = "with open(__file__ + '.log', 'a') as log:\n    log.write('executed ')\n"
    (package / "steps.py").write_text(f"{MINE}\n\n{log}")
    install(tmp_path, "theirs_around.steps:Mine")
    kind = user_methods.find("theirs").kind
    assert (package / "steps.py.log").read_text() == "executed " and kind is sys.modules["theirs_around"].Mine
    (package / "__init__.py").write_text("1 / 0\n")
    (package / "steps.py").write_text(MINE)
    del sys.modules["theirs_around"]
    with pytest.raises(UserError, match="method theirs: cannot import theirs_around"):
        _ = user_methods.find("theirs").kind


def test_a_class_of_another_file_than_the_one_that_is_hashed_is_remarked(tmp_path: Path, mine: Path) -> None:
    assert user_methods.unhashed(user_methods.find(str(mine))) == ""
    (tmp_path / "other.py").write_text("from methods.protonet import ProtoNet\n\nMETHOD = ProtoNet\n")
    found = user_methods.unhashed(user_methods.find(str(tmp_path / "other.py")))
    assert found.startswith("other: its class is defined in methods.protonet, but only other.py is hashed")


def test_one_that_borrows_weights(typed: Command, tmp_path: Path) -> None:
    (tmp_path / "near.py").write_text("from methods.nearest import Nearest\n\n\nclass Near(Nearest):\n    pass\n")
    assert typed(*TINY, "--method", "near.py").returncode == 0
    assert {r.method for r in records.read_all(tmp_path / "results" / "runs")[0]} == {"near", "finetune"}
    assert typed("verify", "tiny/near", "--method", "near.py", "--retrain").returncode == 0


def test_one_of_an_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: Command) -> None:
    (tmp_path / "theirs_package.py").write_text(MINE)
    install(tmp_path, "theirs_package:Mine")
    monkeypatch.syspath_prepend(tmp_path)
    assert "theirs" in typed("list").stdout
    assert typed(*TINY, "--method", "theirs").returncode == 0
    (record,) = records.read_all(tmp_path / "results" / "runs")[0]
    assert record.method == "theirs" and record.info["code"]["file"] == "theirs_package.py"
    assert typed("verify", record.name).returncode == 0
    assert "did you mean 'theirs'" in one_line(typed(*TINY, "--method", "thiers"))


def test_weights_that_no_method_trains_are_a_broken_declaration(tmp_path: Path) -> None:
    for name in ("finetun", "nearest"):
        (tmp_path / "near.py").write_text(
            f"from methods.nearest import Nearest\n\n\nclass Near(Nearest):\n    weights_of = '{name}'\n"
        )
        (found,) = check(str(tmp_path / "near.py"))
        assert found.found.startswith(f"weights_of is '{name}', not None or one of maml, ")


@pytest.mark.parametrize("rule", BROKEN)
def test_check_finds_what_is_broken(tmp_path: Path, rule: str) -> None:
    path = tmp_path / "wrong.py"
    path.write_text(f"import torch\nfrom methods.maml import Maml\n\n\nclass Wrong(Maml):\n{BROKEN[rule]}\n")
    wanted = {each.__name__: each.__doc__ for each in RULES}[rule]
    assert wanted in [outcome.rule for outcome in check(str(path)) if outcome.found]


@pytest.mark.parametrize(
    "body",
    [
        "    def predict(self, *given):\n        return torch.nn.functional.dropout(super().predict(*given))\n",
        "    def _loss(self, *given):\n        return super()._loss(*given) * torch.rand(())\n",
    ],
)
def test_check_refuses_random_numbers_in_one_line(tmp_path: Path, body: str) -> None:
    path = tmp_path / "noisy.py"
    path.write_text(f"import torch\nfrom methods.reptile import Reptile\n\n\nclass Noisy(Reptile):\n{body}")
    (broken,) = [outcome for outcome in check(str(path)) if outcome.found]
    assert "draw no random numbers" in broken.rule and broken.found.startswith("noisy.py, line 7: a random operation")


def test_check_finds_a_prediction_without_autograd_that_is_another(tmp_path: Path) -> None:
    path = tmp_path / "wrong.py"
    body = (
        "    stacked_predict = Maml.stacked_predict\n\n    def _step(self, *_):\n        return lambda params: params\n"
    )
    path.write_text(f"from methods.maml import Maml\n\n\nclass Wrong(Maml):\n{body}")
    (broken,) = [outcome for outcome in check(str(path)) if outcome.found and "stacked_predict" in outcome.rule]
    assert broken.found == "in mode batch stacked_predict does not return what predict returns"


def test_check_at_the_command_line(typed: Command, tmp_path: Path, mine: Path) -> None:
    fine = typed("check", "mine.py")
    assert fine.returncode == 0 and "mine.py keeps the contract" in fine.stdout
    (tmp_path / "part.py").write_text("class Part:\n    needs = None\n    def predict(self): ...\n")
    part = typed("check", "part.py")
    assert part.returncode == 1 and "Part has no training_batch, weights_of" in part.stdout
    assert "Part has no training_batch" in one_line(typed(*TINY, "--method", "part.py"))
    mine.write_text(MINE.replace("return frozenset", "return missing"))
    wrong = typed("check", "mine.py")
    assert wrong.returncode == 1 and "mine.py, line 10: NameError: name 'missing'" in wrong.stdout


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("nothing.py", None, "No such file"),
        ("maml.py", MINE, "name of a built-in method"),
        ("My Method.py", MINE, "lower-case letters"),
        ("bad.py", "x = (\n", "line 1: SyntaxError"),
        ("bad.py", "\nimport nothing_at_all\n", "line 2: ModuleNotFoundError"),
        (
            "two.py",
            MINE + "\n\nclass Other(Maml):\n    pass\n",
            "Add the line METHOD = TheClass (classes in the file: Mine, Other)",
        ),
        ("none.py", "x = 1\n", "classes in the file: none"),
        ("lend.py", MINE + "    weights_of = 'luck'\n", "weights_of is 'luck', not None or one of maml, "),
    ],
)
def test_mistakes(typed: Command, tmp_path: Path, name: str, text: str | None, expected: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    assert expected in one_line(typed(*TINY, "--method", f"./{name}"))
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            "    def loss_and_gradient(self, state, batch):\n        return 1 / 0",
            "line 13: ZeroDivisionError",
        ),
        ("    def predict(self, *given):\n        return missing", "line 13: NameError: name 'missing'"),
        (BROKEN["gradient"], "returned something that meta_step.py, line "),
        ("    def candidates(self):\n        return []", "returned something that evaluation.py, line "),
    ],
    ids=["in training", "in evaluation", "in what it gave", "in its choice"],
)
def test_what_one_raises_while_it_runs_is_one_line(typed: Command, mine: Path, body: str, expected: str) -> None:
    mine.write_text(f"{MINE}\n{body}\n")
    failed = typed(*TINY, "--method", "mine.py")
    assert failed.returncode == 2 and "Traceback" not in failed.stderr
    last = failed.stderr.splitlines()[-1]
    assert last.startswith("error: ") and f"mine.py{'' if 'returned' in expected else ','} {expected}" in last
    assert "python -m bench check" in last
    mine.write_text(MINE)
    assert typed(*TINY, "--method", "mine.py").returncode == 0


def test_two_files_of_one_name(typed: Command, tmp_path: Path, mine: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine.py").write_text(MINE)
    assert "would both be recorded as 'mine'" in one_line(typed(*TINY, "--method", "mine.py", "--method", "b/mine.py"))


def test_methods_file_decides_among_several(tmp_path: Path) -> None:
    path = tmp_path / "several.py"
    path.write_text(MINE + "\n\nclass Other(Maml):\n    pass\n\n\nMETHOD = Other\n")
    found = user_methods.find(str(path))
    assert found is not None and found.kind.__name__ == "Other"


@pytest.mark.parametrize("name", ["_mine", "1mine", "myMAML", 41 * "m"])
def test_a_name_that_cannot_be_a_methods_is_told_the_whole_rule(tmp_path: Path, name: str) -> None:
    rule = "up to 40 lower-case letters, digits, - and _, starting with a letter"
    with pytest.raises(UserError, match=rule):
        user_methods.find(str(tmp_path / f"{name}.py"))
