"""Interruptions of the real command: Ctrl-C, and two at once. Nothing is lost, and results are equal bit for bit;
test_kills.py does the same with kill -9."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import records
from bench.files import sha256
from bench.records import layout
from bench.training import evaluation
from bench.training.execution import Execution
from methods.contract import Method, State
from tests.conftest import Command
from tests.killing import command, said, working

RUN = ("run", "--benchmark", "tiny", "--method", "maml", "--iterations", "80", "--checkpoint-every", "0.05")


def contents(folder: Path) -> dict[str, str]:
    """The checksums of weights and scores, which must not depend on interruptions."""
    files = [*folder.glob("*.safetensors"), *folder.glob("evaluations/*.parquet")]
    return {path.name: sha256(path) for path in files}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("uninterrupted")
    assert command(folder, data_dir, RUN).code == 0
    return contents(next(layout.folders(folder / "results" / "runs")))


@pytest.mark.slow
def test_ctrl_c_leaves_a_resumable_run_and_says_how(
    tmp_path: Path, data_dir: Path, uninterrupted: dict[str, str]
) -> None:
    process = working(tmp_path, data_dir, RUN)
    os.kill(process.pid, signal.SIGINT)
    process.join(60)
    assert process.exitcode == 130
    assert "resume with: python -m bench run" in said(tmp_path) and "Traceback" not in said(tmp_path)
    (folder,) = layout.folders(tmp_path / "results" / "runs")
    assert records.read(folder).status == "unfinished"
    assert command(tmp_path, data_dir, RUN).code == 0
    assert contents(folder) == uninterrupted and "checkpoint.safetensors" not in uninterrupted


def test_a_first_ctrl_c_waits_for_the_end_of_an_evaluation(typed: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def scores(execution: Execution, method: Method, state: State, source: Any, *rest: Any) -> np.ndarray:
        if source.split == "test":
            os.kill(os.getpid(), signal.SIGINT)
        return real(execution, method, state, source, *rest)

    real = evaluation.scores
    monkeypatch.setattr(evaluation, "scores", scores)
    ran = typed(*RUN, "--iterations", "2", "--set", "validations=1", "--seeds", "2", "--together", "1")
    assert ran.returncode == 130 and "seed0: " in ran.stdout and "on 20 test episodes" in ran.stdout
    assert "stopped: before tiny/maml/" in ran.stderr and "seed1; resume with: " in ran.stderr


@pytest.mark.slow
def test_two_processes_do_not_work_on_one_run(typed: Command, tmp_path: Path, data_dir: Path) -> None:
    run = (*RUN, "--set", "meta_batch=64")
    process = working(tmp_path, data_dir, run)
    second = typed(*run)
    process.kill()
    process.join()
    assert second.returncode == 0 and "another process is training this run" in second.stdout
