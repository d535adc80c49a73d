"""Long runs in slices, through the real command line: `--max-minutes`, and the same command again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bench import records
from bench.cli.running import TIME_IS_UP
from bench.files import sha256
from bench.records import layout
from bench.training import checkpoint
from tests.conftest import Command, one_line

RUN = ("run", "--benchmark", "tiny", "--iterations", "3", "--set", "validations=2")
NO_TIME = ("--max-minutes", "0.000001")  # enough for one iteration or evaluation, which every slice does


def sums(results: Path) -> dict[str, str]:
    """The checksums of weights and scores, by file name."""
    files = [*results.rglob("*.safetensors"), *results.glob("*/*/*/*/evaluations/*.parquet")]
    return {str(path.relative_to(results)): sha256(path) for path in files}


@pytest.mark.parametrize("more", [("--seeds", "2"), ("--seeds", "2", "--together", "2"), ("--method", "nearest")])
def test_slices_on_several_machines_end_in_the_bits_of_one_run(
    typed: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    assert typed(*RUN, *more, "--results", "whole").returncode == 0
    said, here = [], tmp_path
    for number in range(30):
        monkeypatch.chdir(here)
        ran = typed(*RUN, *more, *NO_TIME)
        if ran.returncode == 0:
            break
        assert ran.returncode == TIME_IS_UP == 75, ran
        said.append(ran.stderr.splitlines()[-1])
        there = tmp_path / f"machine{number}"
        shutil.copytree(here / "results", there / "results")
        here = there
    assert sums(here / "results" / "runs") == sums(tmp_path / "whole")
    assert said[0].startswith("time is up: ") and "at iteration 1; resume with: python -m bench run" in said[0]
    assert sum("before the evaluation at iteration 3" in line for line in said) >= 1
    assert typed("report").returncode == 0


def test_what_is_left_after_the_time_is_a_record_that_says_so(typed: Command, tmp_path: Path) -> None:
    assert typed(*RUN, *NO_TIME).returncode == TIME_IS_UP
    (found,) = records.read_all(tmp_path / "results" / "runs")[0]
    assert (found.status, found.info["iteration"]) == ("unfinished", 1)
    assert (found.path / layout.CHECKPOINT).exists()
    assert "unfinished: 1 of 3 iterations" in typed("report").stdout


def test_in_enough_time_nothing_differs(typed: Command) -> None:
    ran = typed(*RUN, "--max-minutes", "60")
    assert ran.returncode == 0 and "time is up" not in ran.stderr and "tables and figures" in ran.stdout


def test_a_run_begun_anew_goes_on_without_beginning_anew(typed: Command) -> None:
    assert typed(*RUN).returncode == 0
    ran = typed(*RUN, *NO_TIME, "--force")
    assert ran.returncode == TIME_IS_UP and "--force" not in ran.stderr.split("resume with: ")[1]


def test_seeds_that_went_on_apart_lose_nothing(typed: Command, tmp_path: Path) -> None:
    pair = ("--seeds", "2", "--together", "2")
    for more in (pair, ("--seed", "0")):
        assert typed(*RUN, *more, *NO_TIME).returncode == TIME_IS_UP
    assert stages(tmp_path / "results" / "runs") == [{2}, {1}]
    assert typed(*RUN, *pair, *NO_TIME).returncode == TIME_IS_UP
    assert stages(tmp_path / "results" / "runs") == [{3}, {1}]
    assert typed(*RUN, *pair).returncode == 0
    found, _ = records.read_all(tmp_path / "results" / "runs")
    assert [(record.seed, record.status, record.info["iteration"]) for record in found] == [
        (0, "finished", 3),
        (1, "finished", 3),
    ]


def stages(results: Path) -> list[frozenset[int]]:
    return [checkpoint.stages(folder) for folder in sorted(layout.folders(results))]


def test_what_diverged_before_does_not_stop_the_next(typed: Command) -> None:
    """A diverged run has nothing left to do, whatever the time limit."""
    asked = (*RUN, "--set", "inner_lr=1e38", "--method", "maml")
    assert typed(*asked).returncode == 1
    stopped = typed(*asked, "--method", "finetune", *NO_TIME)
    assert stopped.returncode == TIME_IS_UP and "at iteration 1; resume with" in stopped.stderr


def test_weights_that_are_wanted_too_late_are_named(typed: Command) -> None:
    assert typed(*RUN, "--keep", "1").returncode == 0
    again = typed(*RUN, "--keep", "1", "--keep", "2")
    assert again.returncode == 0 and "the weights of iteration 2 were not kept (--force trains again)" in again.stdout
    assert "not kept" not in typed(*RUN, "--keep", "1", "--keep", "3").stdout


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "inf", "soon"])
def test_mistakes(typed: Command, minutes: str) -> None:
    assert "not a number of minutes above 0" in one_line(typed("run", "--max-minutes", minutes))
