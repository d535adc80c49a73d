"""Interruptions of the real command: Ctrl-C, kill -9, two at once. Nothing is lost, and results are equal bit for
bit."""

from __future__ import annotations

import os
import signal
import subprocess
import time
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
from tests.conftest import Command, bench_command, bench_environment

RUN = ("run", "--benchmark", "tiny", "--method", "maml", "--iterations", "80", "--checkpoint-every", "0.05")


def started(tmp_path: Path, data_dir: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        bench_command((*RUN, *more)),
        cwd=tmp_path,
        env=bench_environment(data_dir),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def wait_for_checkpoint(process: subprocess.Popen[str], folder: Path) -> Path:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        found = list(folder.glob("results/runs/*/*/*/*/checkpoint.safetensors"))
        if found:
            return found[0].parent
        time.sleep(0.01)
    pytest.fail(f"no checkpoint was written: {process.communicate()}")


def contents(folder: Path) -> dict[str, str]:
    """The checksums of weights and scores, which must not depend on interruptions."""
    files = [*folder.glob("*.safetensors"), *folder.glob("evaluations/*.parquet")]
    return {path.name: sha256(path) for path in files}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("uninterrupted")
    process = started(folder, data_dir)
    process.communicate()
    assert process.returncode == 0
    return contents(next(layout.folders(folder / "results" / "runs")))


@pytest.mark.slow
def test_ctrl_c_leaves_a_resumable_run_and_says_how(
    bench: Command, tmp_path: Path, data_dir: Path, uninterrupted: dict[str, str]
) -> None:
    process = started(tmp_path, data_dir)
    folder = wait_for_checkpoint(process, tmp_path)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "resume with: python -m bench run" in errors and "Traceback" not in errors
    assert records.read(folder).status == "unfinished"
    assert bench(*RUN).returncode == 0
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
def test_kill_9_loses_nothing(bench: Command, tmp_path: Path, data_dir: Path, uninterrupted: dict[str, str]) -> None:
    for wait_seconds in (0.0, 0.1, 0.4):
        process = started(tmp_path, data_dir)
        folder = wait_for_checkpoint(process, tmp_path)
        time.sleep(wait_seconds)
        process.kill()
        process.communicate()
    assert bench(*RUN).returncode == 0
    assert contents(folder) == uninterrupted
    assert not list(tmp_path.glob("results/**/*.tmp"))


@pytest.mark.slow
def test_kill_9_of_seeds_that_train_together_loses_nothing(bench: Command, tmp_path: Path, data_dir: Path) -> None:
    pair = ("--seeds", "2", "--together", "2")
    assert bench(*RUN, *pair, "--results", "whole").returncode == 0
    for wait_seconds in (0.0, 0.2):
        process = started(tmp_path, data_dir, *pair)
        wait_for_checkpoint(process, tmp_path)
        time.sleep(wait_seconds)
        process.kill()
        process.communicate()
    assert bench(*RUN, *pair).returncode == 0
    ours, whole = (list(layout.folders(tmp_path / name)) for name in ("results/runs", "whole"))
    assert [contents(folder) for folder in ours] == [contents(folder) for folder in whole] and len(ours) == 2


@pytest.mark.slow
def test_two_processes_do_not_work_on_one_run(bench: Command, tmp_path: Path, data_dir: Path) -> None:
    process = started(tmp_path, data_dir, "--set", "meta_batch=64")
    wait_for_checkpoint(process, tmp_path)
    second = bench(*RUN, "--set", "meta_batch=64")
    process.kill()
    process.communicate()
    assert second.returncode == 0 and "another process is training this run" in second.stdout
