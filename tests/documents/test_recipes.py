"""docs/recipes.md, as far as it can be run: MLflow where it is installed, and the SLURM script with a stand-in for
`scontrol` and a small training."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.records import layout
from tests.conftest import Command, bench_environment
from tests.documents.test_documents import TEXTS, blocks

RECIPES = TEXTS["docs/recipes.md"]
FEW = "--iterations 3 --set meta_batch=2 --set validations=1 --set validation_episodes=2 --set evaluation.episodes=2"


@pytest.mark.full
def test_mlflow_is_fed_from_json(
    typed: Command, tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow = pytest.importorskip("mlflow")
    ran = typed("run", "--benchmark", "tiny", "--seeds", "2", "--json", *FEW.split())
    (script,) = blocks(RECIPES, "python mlflow")
    (tmp_path / "to_mlflow.py").write_text(script)
    environment = {k: v for k, v in bench_environment(data_dir).items() if not k.startswith("MLFLOW")}
    fed = [sys.executable, "to_mlflow.py"]
    told = subprocess.run(fed, input=ran.stdout, cwd=tmp_path, env=environment, text=True, capture_output=True)
    assert told.returncode == 0 and told.stderr.count("on 2 test episodes") == 2, told
    client = mlflow.MlflowClient(f"file:{tmp_path / 'mlruns'}")
    experiment = client.get_experiment_by_name("few-shot-bench").experiment_id
    found = client.search_runs([experiment])
    assert len(found) == 2 and all(run.info.status == "FINISHED" for run in found)
    (last,) = client.get_metric_history(found[0].info.run_id, "train_loss")[-1:]
    assert last.step == 3 and 0 < last.value < 100


@pytest.mark.slow
def test_a_slurm_task_asks_to_be_queued_again(tmp_path: Path, data_dir: Path) -> None:
    (script,) = blocks(RECIPES, "sh slurm")
    assert "few-shot-bench run" in script and "#SBATCH --array=0-4" in script
    small = script.replace("few-shot-bench run", f"{sys.executable} -m bench run {FEW}")
    (tmp_path / "scontrol").write_text('#!/bin/sh\necho "$@" >> asked\n')
    (tmp_path / "scontrol").chmod(0o755)
    environment = bench_environment(data_dir) | {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_JOB_ID": "77"}
    environment["PATH"] = f"{tmp_path}{os.pathsep}{environment['PATH']}"
    codes = []
    for minutes in ("0.000001", "50"):
        (tmp_path / "task.sh").write_text(small.replace("--max-minutes 50", f"--max-minutes {minutes}"))
        codes.append(subprocess.run(["bash", "task.sh"], cwd=tmp_path, env=environment, timeout=300).returncode)
    assert codes == [75, 0] and (tmp_path / "asked").read_text() == "requeue 77_3\n"
    assert [folder.name for folder in layout.folders(tmp_path / "results" / "runs")] == ["seed3"]
