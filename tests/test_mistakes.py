"""What a user can get wrong, at the real command line: one clear line, exit code 2, nothing lost, never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import records
from bench.__main__ import main
from tests.conftest import Command, one_line

TINY = ("run", "--benchmark", "tiny", "--set", "iterations=2", "--set", "validations=1")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("run", "--method", "mamll"), "did you mean 'maml'"),
        (("run", "--benchmark", "omniglot-5w1"), "did you mean 'omniglot-5w1s'"),
        (("run", "--protocol", "papr"), "did you mean 'paper'"),
        (("run", "--set", "inner_rl=0.1"), "did you mean 'inner_lr'"),
        (("run", "--set", "inner_lr=fast"), "not a number above 0"),
        (("run", "--set", "inner_lr"), "name=value"),
        (("run", "--set", "batch_norm_scale=maybe"), "true or false"),
        (("run", "--iterations", "0"), "at least 1"),
        (("run", "--seeds", "0"), "at least one seed"),
        (("run", "--seed", "-1"), "0 or more"),
        (("run", "--seeds", "2", "--seed", "3"), "not both"),
        (("run", "--device", "cuda"), "no CUDA GPU"),
        (("run", "--device", "gpu"), "use auto, cpu"),
        (("run", "--set", "queries=20", "--benchmark", "omniglot-5w1s"), "at most 17"),
        (("run", "--set", "evaluation.batch_statistics=running"), "maml cannot be evaluated with batch_statistics=running"),
        (("run", "--benchmark", "miniimagenet-5w5s"), "python -m bench data add mini-imagenet PATH"),
        (("run", "--itertions", "3"), "did you mean --iterations"),
        (("rnu",), "did you mean run"),
        (("evaluate", "nothing"), "no run 'nothing'"),
        (("show", "episode", "--benchmark", "tiny", "--split", "val", "--out", "x.png"), "did you mean 'valid'"),
        (("data", "add", "mini-imagenet", "nowhere"), "nowhere"),
        (("data", "add", "cifar", "."), "cifar"),
        (("report", "--claims", "nowhere.csv"), "nowhere.csv"),
        ((), "required"),
    ],
)
def test_one_line(
    arguments: tuple[str, ...], expected: str, tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    """Through the entry point, in this process: two dozen starts of torch would take minutes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_DATA", str(data_dir))
    monkeypatch.setattr(sys, "argv", ["bench", *arguments])
    code = main()
    output = capsys.readouterr()
    assert expected in one_line(subprocess.CompletedProcess(arguments, code, output.out, output.err))
    assert not list(tmp_path.iterdir())


def test_one_line_of_the_real_command(bench: Command) -> None:
    assert "did you mean 'maml'" in one_line(bench("run", "--method", "mamll"))
    assert "data add mini-imagenet PATH" in one_line(bench("run", "--benchmark", "miniimagenet-5w5s"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(bench: Command, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir(mode=0o500)
    assert "cannot write" in one_line(bench(*TINY))


def test_results_that_are_a_file(bench: Command, tmp_path: Path) -> None:
    (tmp_path / "results").write_text("not a folder")
    assert "cannot write" in one_line(bench(*TINY))


def test_a_damaged_record_is_named_and_left_out(bench: Command, tmp_path: Path) -> None:
    assert bench(*TINY, "--seeds", "2").returncode == 0
    folder = next(records.folders(tmp_path / "results" / "runs"))
    (folder / "record.json").write_text('{"format": 1, "benchmark": ')
    report = bench("report")
    assert report.returncode == 1 and str(folder.name) in report.stderr and "Traceback" not in report.stderr
    assert "record.json" in one_line(bench(*TINY))
    assert "record.json" in one_line(bench("evaluate", str(folder)))
    assert bench(*TINY, "--force").returncode == 0
    assert bench("report").returncode == 0


def test_weights_that_were_not_kept(bench: Command, tmp_path: Path) -> None:
    assert bench(*TINY, "--keep", "1").returncode == 0
    run = str(next(records.folders(tmp_path / "results" / "runs")))
    assert bench("evaluate", run, "--at", "1", "--set", "queries=2").returncode == 0
    assert "it has those of" in one_line(bench("evaluate", run, "--at", "77"))
    assert "did you mean" in one_line(bench("evaluate", run, "--set", "querys=2"))


def test_another_copy_of_the_data_is_not_mistaken_for_the_same(bench: Command, tmp_path: Path) -> None:
    assert bench(*TINY).returncode == 0
    folder = next(records.folders(tmp_path / "results" / "runs"))
    record = folder / "record.json"
    digest = records.read(folder).info["data"]["digest"]
    record.write_text(record.read_text().replace(digest, "f" * 64))
    assert "another copy of the data" in one_line(bench("evaluate", str(folder)))
