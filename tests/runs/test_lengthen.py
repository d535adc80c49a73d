"""A longer training continues a finished shorter one, with results equal bit for bit to an uninterrupted training, or
says why it starts from the beginning."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import files, records
from bench.files import sha256
from bench.records import layout
from bench.training import outer_loop
from tests.conftest import Command

RUN = (
    "run",
    "--benchmark",
    "tiny",
    "--threads",
    "1",
    "--set",
    "validation_episodes=2",
    "--set",
    "evaluation.episodes=2",
)
SHORT = ("--iterations", "4", "--set", "validations=2")
LONG = ("--iterations", "10", "--set", "validations=5")


def sums(results: Path, iterations: int) -> dict[str, str]:
    """The checksums of weights, optimiser states and scores of the runs of this length."""
    runs = [folder for folder in layout.folders(results) if records.read_info(folder)["iteration"] == iterations]
    files = [path for run in runs for path in (*run.glob("*.safetensors"), *run.glob("evaluations/*.parquet"))]
    return {str(path.relative_to(results)): sha256(path) for path in files}


def record(results: Path, iterations: int) -> records.Record:
    """The only run of this length."""
    (found,) = (each for each in records.read_all(results)[0] if each.training.iterations == iterations)
    return found


@pytest.mark.parametrize(
    "more",
    [
        ("--method", "maml", "--seeds", "2", "--keep", "4"),
        ("--method", "maml", "--seeds", "2", "--together", "2", "--set", "meta_lr_halved_every=3"),
        ("--method", "nearest"),  # which evaluates finetune's weights
    ],
)
def test_a_longer_training_ends_in_the_bits_of_an_uninterrupted_one(
    typed: Command, tmp_path: Path, more: tuple[str, ...]
) -> None:
    assert typed(*RUN, *more, *LONG, "--results", "whole").returncode == 0
    assert typed(*RUN, *more, *SHORT).returncode == 0
    longer = typed(*RUN, *more, *LONG)
    assert longer.returncode == 0 and "is finished after 4 iterations" in longer.stdout, longer
    assert "continues from there to 10" in longer.stdout and "anew" not in longer.stdout
    ours, whole = tmp_path / "results" / "runs", tmp_path / "whole"
    assert sums(ours, 10) == sums(whole, 10) and len(sums(whole, 10)) >= 4
    for each in (each for each in records.read_all(ours)[0] if each.training.iterations == 10):
        assert each.info["continued"]["iteration"] == 4 and "continued" not in record_of(whole, each)
        assert each.info["continued"]["run"].endswith(f"seed{each.seed}")
        assert each.curve.drop(columns="seconds").equals(record_of(whole, each, "curve").drop(columns="seconds"))


def record_of(results: Path, like: records.Record, what: str = "info") -> object:
    """A property of the run with the same name in other results."""
    return getattr(records.read(results / like.name), what)


def test_it_takes_the_steps_that_are_missing_and_no_others(typed: Command, tmp_path: Path) -> None:
    assert typed(*RUN, *SHORT).returncode == 0
    sliced = typed(*RUN, *LONG, "--max-minutes", "0.000001")
    assert sliced.returncode == 75 and "at iteration 5; resume with" in sliced.stderr, sliced
    assert "about" in typed(*RUN, *LONG, "--dry-run").stdout
    assert typed(*RUN, *LONG).returncode == 0
    assert typed("verify", "tiny", "--retrain").returncode == 0
    assert typed(*RUN, *LONG).stdout.count("already finished") == 1


def test_it_is_verified_where_the_points_of_its_curve_lie_otherwise(
    typed: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outer_loop, "_CURVE_ROWS", 5)
    assert typed(*RUN, *SHORT).returncode == typed(*RUN, *LONG).returncode == 0
    longer = record(tmp_path / "results" / "runs", 10)
    assert longer.info["continued"]["iteration"] == 4 and longer.curve["iteration"].tolist() == [1, 2, 3, 4, 6, 8, 10]
    verified = typed("verify", longer.name, "--retrain")
    assert verified.returncode == 0 and "curve" in verified.stdout, verified


@pytest.mark.parametrize(
    ("short", "long", "why"),
    [
        (
            (),
            ("--set", "validations=3"),
            "its validations were at other iterations: with --set validations=5 it continues",
        ),
        (("--method", "msl"), ("--method", "msl"), "the schedule of msl depends on the number of iterations"),
        (
            ("--set", "meta_lr_final=0"),
            ("--set", "meta_lr_final=0"),
            "the schedule to meta_lr_final depends on the number",
        ),
        ((), ("--keep", "3"), "it did not keep the weights of iteration 3, which this run needs"),
        ((), ("--force",), "--force"),
        (("--method", "mine.py"), ("--method", "mine.py"), "mine does not declare `uses_length = False`"),
    ],
)
def test_where_it_begins_anew_it_says_why(
    typed: Command, tmp_path: Path, short: tuple[str, ...], long: tuple[str, ...], why: str
) -> None:
    (tmp_path / "mine.py").write_text("from methods.maml import Maml\n\n\nclass Mine(Maml):\n    pass\n")
    assert typed(*RUN, *short, *SHORT).returncode == 0
    planned = typed(*RUN, *LONG, *long, "--dry-run")
    assert "but all 10 are trained from the start: " in planned.stdout and why in planned.stdout, planned


@pytest.mark.parametrize("more", [("--force",), ("--keep", "3")])
def test_it_does_begin_anew(typed: Command, tmp_path: Path, more: tuple[str, ...]) -> None:
    assert typed(*RUN, *SHORT).returncode == typed(*RUN, *LONG, *more).returncode == 0
    assert "continued" not in record(tmp_path / "results" / "runs", 10).info


def test_a_method_of_ones_own_may_say_that_its_steps_know_no_length(typed: Command, tmp_path: Path) -> None:
    mine = "from methods.maml import Maml\n\n\nclass Mine(Maml):\n    uses_length = False\n"
    (tmp_path / "mine.py").write_text(mine)
    assert typed(*RUN, "--method", "mine.py", *SHORT).returncode == 0
    assert "continues from there to 10" in typed(*RUN, "--method", "mine.py", *LONG, "--dry-run").stdout


def test_an_older_record_keeps_no_optimiser(typed: Command, tmp_path: Path) -> None:
    assert typed(*RUN, *SHORT).returncode == 0
    old = record(tmp_path / "results" / "runs", 4)
    info = old.info | {"files": {name: total for name, total in old.info["files"].items() if "optim" not in name}}
    files.write_sealed(old.path / layout.RECORD, info)
    assert "it was recorded by a version that kept no optimiser state" in typed(*RUN, *LONG, "--dry-run").stdout


def test_another_training_is_no_shorter_one(typed: Command) -> None:
    assert typed(*RUN, *SHORT).returncode == 0
    for other in (("--set", "inner_lr=0.3"), ("--seed", "1"), ("--method", "fomaml")):
        assert "finished after" not in typed(*RUN, *LONG, *other, "--dry-run").stdout
