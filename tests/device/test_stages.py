"""The script for a GPU, as far as it can be tested without one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.device.__main__ import STAGES, Stage, run_all, stages


def test_a_stage_that_fails_or_takes_too_long_keeps_nothing_back(tmp_path: Path) -> None:
    codes = {
        "bad": (60, "raise SystemExit(3)"),
        "slow": (3, "import time; print('so far'); time.sleep(60)"),
        "good": (60, "import this"),
    }
    chosen = [Stage(name, seconds, ("-c", code)) for name, (seconds, code) in codes.items()]
    done = run_all(chosen, tmp_path, on_device=True)
    assert [each["ended"] for each in done] == ["failed: exit code 3", "stopped after its 3 seconds", "done"]
    assert json.loads((tmp_path / STAGES).read_text())["stages"] == done
    assert "so far" in (tmp_path / "slow.log").read_text()
    assert "Zen" in (tmp_path / "good.log").read_text()


def test_all_stages_together_take_twelve_minutes_at_most() -> None:
    assert sum(stage.seconds for stage in stages(Path())) <= 12 * 60


@pytest.mark.slow
def test_without_a_gpu_it_says_what_it_skips(tmp_path: Path) -> None:
    hidden = os.environ | {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.device", "--out", str(tmp_path / "figures")]
    result = subprocess.run(command, cwd=ROOT, env=hidden, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("skipped: needs a CUDA GPU") == 6 and "machine: done" in result.stdout
    found = json.loads((tmp_path / "figures" / "machine.json").read_text())
    assert found["environment"] and "copy_bytes_per_second" not in found
