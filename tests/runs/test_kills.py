"""kill -9 at many moments of the real command: nothing finished is lost, and the final results are equal bit for bit.

CI tries a few kills; `BENCH_KILLS=N` (`tox -e full`) tries N of each kind. The number survived is printed."""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from bench import files, records
from bench.records import layout
from tests.killing import KILLS, command

RUN = ("run", "--benchmark", "tiny", "--iterations", "12", "--seeds", "2", "--threads", "1", "--checkpoint-every", "0")
# Adam's moments and count, which outlive the episodes, are what is carried.
REPTILE = "--method reptile --protocol nichol --iterations 6 --set meta_batch=2 --set inner_steps=2"
REPTILE += " --set evaluation.episodes=2 --set evaluation.inner_steps=2"
_AT_MOST = 100  # operations on files: a third of what a run does

Snapshot = dict[str, str]


def contents(results: Path) -> Snapshot:
    """Everything that must not depend on interruptions: weights, scores, and curves without their times."""
    found = {str(path.relative_to(results)): files.sha256(path) for path in _kept(results)}
    for path in results.rglob(layout.CURVE):
        found[str(path.relative_to(results))] = pd.read_parquet(path).drop(columns="seconds").to_json()
    return found


def _kept(results: Path) -> list[Path]:
    return [
        *results.rglob("weights*.safetensors"),
        *results.rglob("best.safetensors"),
        *results.rglob("evaluations/*.parquet"),
    ]


def finished(results: Path) -> Snapshot:
    """The checksums in the records of finished runs, which must never disappear; asserts that no record is damaged."""
    found, problems = records.read_all(results)
    assert not problems
    sums = {
        f"{r.path}/{name}": total for r in found if r.status == "finished" for name, total in r.info["files"].items()
    }
    return sums | {f"{r.path}/{e.iteration}": e.info["sha256"] for r in found for e in r.evaluations}


def iterations(results: Path) -> dict[str, int]:
    """The iteration of each run, according to its record."""
    return {record.name: record.info["iteration"] for record in records.read_all(results)[0]}


def killed_until_done(cwd: Path, data_dir: Path, arguments: Sequence[str], chance: random.Random, most: int) -> int:
    """Runs the same command again and again and kills it, alternately at a file operation and after a time, until it
    ends by itself or has been killed `most` times; then lets it finish. Returns the number of kills."""
    results, before, reached = cwd / "results" / "runs", {}, {}
    kills, number = 0, 0
    while kills < most:
        number += 1
        how = {"at": chance.randrange(_AT_MOST)} if number % 2 == 0 else {"after_seconds": chance.uniform(0, 3)}
        ended = command(cwd, data_dir, arguments, **how)
        assert ended.code in (0, -9), ended
        kills += ended.code == -9
        now, far = finished(results), iterations(results)
        assert before.items() <= now.items()
        assert all(far[name] >= reached[name] for name in reached)
        before, reached = now, far
        if ended.code == 0:
            break
    ended = command(cwd, data_dir, arguments)
    assert ended.code == 0 and not list(cwd.rglob("*.tmp")) and not list(cwd.rglob("checkpoint*")), ended
    return kills


@pytest.mark.slow
@pytest.mark.parametrize(("method", "together"), [("", "1"), ("", "2"), (REPTILE, "2")])
def test_runs(tmp_path: Path, data_dir: Path, method: str, together: str) -> None:
    arguments = (*RUN, "--together", together, *method.split())
    assert command(tmp_path, data_dir, (*arguments, "--results", "whole")).code == 0
    expected = contents(tmp_path / "whole")
    chance = random.Random(KILLS)
    kills = 0
    while kills < KILLS:
        cwd = tmp_path / str(kills)
        shutil.rmtree(cwd, ignore_errors=True)
        cwd.mkdir()
        kills += killed_until_done(cwd, data_dir, arguments, chance, KILLS - kills)
        assert contents(cwd / "results" / "runs") == expected
    assert len(expected) == 8


@pytest.mark.slow
def test_evaluations(tmp_path: Path, data_dir: Path) -> None:
    """Evaluations added to a finished run, whose weights and first scores must stay unchanged."""
    assert command(tmp_path, data_dir, RUN).code == 0
    results = tmp_path / "results" / "runs"
    folder = next(layout.folders(results))
    arguments = ("evaluate", str(folder), "--threads", "1", "--set", "queries=2")
    first, before = contents(results), finished(results)
    for number in range(KILLS):
        at = random.Random(number).randrange(8)
        command(tmp_path, data_dir, arguments, at=at)
        assert before.items() <= finished(results).items()
    assert command(tmp_path, data_dir, arguments).code == 0
    expected = contents(results)
    assert command(tmp_path, data_dir, arguments).code == 0 and contents(results) == expected
    assert len(expected) == len(first) + 1 and first.items() <= expected.items() and not list(results.rglob("*.tmp"))
