"""Disks that are full, read-only or missing, and other processes at the same work: one clear line each, and nothing
lost."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from bench import records
from bench.records import layout
from tests.conftest import Command
from tests.killing import command, started
from tests.runs.test_kills import contents

RUN = ("run", "--benchmark", "tiny", "--iterations", "6", "--threads", "1", "--checkpoint-every", "0")
_HOLD = "import sys, time, filelock; l = filelock.FileLock(sys.argv[1]); l.acquire(); print(flush=True); time.sleep(99)"


class Disk:
    """A separate file system whose size in KiB can be changed."""

    def __init__(self, place: Path) -> None:
        self.place = place
        place.mkdir()
        if self.set("-t tmpfs -o size=48k tmpfs"):
            pytest.skip("mounting a small disk needs to be root")

    def set(self, how: str) -> int:
        return subprocess.run(["mount", *how.split(), str(self.place)], capture_output=True).returncode


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path / "disk")
    yield made
    subprocess.run(["umount", str(made.place)], check=True)


@pytest.fixture
def whole(tmp_path: Path, typed: Command) -> dict[str, str]:
    """The results of the undisturbed run."""
    assert typed(*RUN, "--results", str(tmp_path / "whole")).returncode == 0
    return contents(tmp_path / "whole")


def error(result: subprocess.CompletedProcess[str]) -> str:
    """The error line of a failed command, which comes after its progress messages."""
    *said, line = result.stderr.strip().splitlines()
    assert result.returncode == 2 and line.startswith("error: ") and "Traceback" not in result.stderr, result
    assert not any(other.startswith("error: ") for other in said)
    return line


@pytest.mark.slow
def test_a_full_disk(typed: Command, disk: Disk, whole: dict[str, str]) -> None:
    """First too full for a checkpoint; then for a run's final files and for a report."""
    results = ("--results", str(disk.place / "runs"))
    assert "No space left on device" in error(typed(*RUN, *results))
    disk.set("-o remount,size=600k")
    assert typed(*RUN, *results).returncode == 0 and contents(disk.place / "runs") == whole
    (disk.place / "filler").write_bytes(b"0" * (shutil.disk_usage(disk.place).free - 40_000))
    assert "No space left on device" in error(typed(*RUN, *results, "--seed", "1"))
    line = error(typed("report", *results, "--out", str(disk.place / "report")))
    assert "cannot write" in line and "No space left on device" in line
    (disk.place / "filler").unlink()
    assert contents(disk.place / "runs").items() >= whole.items()
    assert typed(*RUN, *results, "--seed", "1").returncode == 0
    assert not list(disk.place.rglob("*.tmp")) and len(contents(disk.place / "runs")) == 2 * len(whole)


def test_a_disk_that_is_full_when_data_are_prepared(typed: Command, disk: Disk, tmp_path: Path) -> None:
    """The embedded data need no space: they stay in memory."""
    result = typed(*RUN, "--data-dir", str(disk.place), "--results", str(tmp_path / "runs"))
    assert result.returncode == 0 and not [path for path in disk.place.rglob("*") if path.is_file()]


def test_a_limit_on_the_size_of_files(tmp_path: Path, data_dir: Path, whole: dict[str, str]) -> None:
    """A stand-in for a full disk that does not need root."""
    limited = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (20_000, 20_000))
    ended = command(tmp_path, data_dir, RUN, before=limited)
    assert ended.code == 2 and ended.said.count("error: cannot write") == 1 and "File too large" in ended.said
    assert "Traceback" not in ended.said
    assert command(tmp_path, data_dir, RUN).code == 0 and contents(tmp_path / "results" / "runs") == whole


def test_a_folder_that_can_only_be_read(typed: Command, disk: Disk, tmp_path: Path, whole: dict[str, str]) -> None:
    results = ("--results", str(disk.place / "runs"))
    disk.set("-o remount,size=2m")
    assert typed(*RUN, *results).returncode == 0
    disk.set("-o remount,ro")
    for arguments in ((*RUN, "--seed", "1"), (*RUN, "--force"), ("report",)):
        line = error(typed(*arguments, *results))
        assert "cannot write" in line and "Read-only file system" in line and str(disk.place) in line
    assert "cannot write" in error(typed("evaluate", "tiny", *results, "--set", "queries=2"))
    assert typed("report", *results, "--out", str(tmp_path / "report")).returncode == 0
    assert contents(disk.place / "runs") == whole


@pytest.fixture
def holder(tmp_path: Path, whole: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock of seed 0's run."""
    folder = tmp_path / "results" / "runs" / next(layout.folders(tmp_path / "whole")).relative_to(tmp_path / "whole")
    folder.mkdir(parents=True)
    process = subprocess.Popen([sys.executable, "-c", _HOLD, str(folder / ".lock")], stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def test_a_run_that_another_process_has_is_left_to_it_and_the_next_seed_done(
    typed: Command, tmp_path: Path, holder: subprocess.Popen[str], whole: dict[str, str]
) -> None:
    for together in ("1", "2"):
        result = typed(*RUN, "--seeds", "2", "--together", together)
        first, second, *_ = [line for line in result.stdout.splitlines() if "/seed" in line]
        assert result.returncode == 0 and "seed0: skipped: another process is training this run" in first
        assert "seed1" in second and "% on 20 test episodes" in second
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (next(tmp_path.glob("results/runs/*/*/*/seed0")) / ".lock").exists()  # and is nobody's
    assert typed(*RUN).returncode == 0
    assert contents(tmp_path / "results" / "runs").items() >= whole.items()


def test_weights_that_another_process_trains(typed: Command, tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    """Nearest neighbour needs the weights of fine-tuning; those of the other seeds are available."""
    lender = next(tmp_path.glob("results/runs/tiny/maml/*")).name
    folder = tmp_path / "results" / "runs" / "tiny" / "finetune" / lender / "seed0"
    folder.mkdir(parents=True)
    hold = subprocess.Popen([sys.executable, "-c", _HOLD, str(folder / ".lock")], stdout=subprocess.PIPE, text=True)
    assert hold.stdout and hold.stdout.readline()
    result = typed(*RUN, "--method", "nearest", "--method", "fomaml", "--seeds", "2", "--together", "2")
    hold.kill()
    hold.communicate()
    assert result.returncode == 0 and result.stdout.count("another process is training this run") == 1
    found = {(record.method, record.seed) for record in records.read_all(tmp_path / "results" / "runs")[0]}
    assert found == {("finetune", 1), ("nearest", 1), ("fomaml", 0), ("fomaml", 1)}


@pytest.mark.slow
@pytest.mark.parametrize("gone", ["results", "data"])
def test_a_folder_that_vanishes_while_a_run_goes_on(tmp_path: Path, gone: str) -> None:
    """The run continues, with the same bits; a deleted results folder is written again with the whole run, with a
    message."""
    longer = (*RUN, "--iterations", "40", "--checkpoint-every", "0.01")
    assert command(tmp_path, tmp_path / "data", (*longer, "--results", "whole")).code == 0
    process = started(tmp_path, tmp_path / "data", longer)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("results/runs/*/*/*/*/checkpoint.safetensors")) and time.monotonic() < deadline:
        time.sleep(0.005)
    os.rename(tmp_path / gone, tmp_path / "away")
    process.join(240)
    said = (tmp_path / "said.txt").read_text()
    assert process.exitcode == 0, said
    assert contents(tmp_path / "results" / "runs") == contents(tmp_path / "whole")
    assert ("was deleted; it was written again" in said) == (gone == "results")
