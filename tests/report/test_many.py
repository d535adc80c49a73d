"""A report on a thousand records, some of which are damaged."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.records import layout
from tests.counting import counts
from tests.report.synthetic import write_run
from tests.report.test_report import processor_seconds, slowness

BENCHMARKS = ("omniglot-5w1s", "omniglot-5w5s", "omniglot-20w1s", "miniimagenet-5w1s", "miniimagenet-5w5s")


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def _newer(folder: Path) -> None:
    path = folder / layout.RECORD
    path.write_text(path.read_text().replace('"format": 1', '"format": 99'))


def _foreign(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            path.unlink()
    (folder / layout.RECORD).write_text('{"format": 1, "experiment": "another program\'s", "metrics": [1, 2, 3]}')


DAMAGE: tuple[Callable[[Path], object], ...] = (
    lambda folder: os.truncate(folder / layout.RECORD, 500),
    lambda folder: _flip(folder / layout.RECORD),
    lambda folder: _flip(folder / layout.CURVE),
    lambda folder: _flip(next((folder / "evaluations").glob("*.parquet"))),
    lambda folder: os.truncate(next((folder / "evaluations").glob("*.json")), 40),
    _newer,
    _foreign,
    lambda folder: (folder / layout.RECORD).write_bytes(b"\x89PNG\r\n"),
)

SCRIPT = """
import contextlib, sys
from bench.__main__ import main
sys.argv = ["bench", "report"]
with open("said.txt", "w") as file, contextlib.redirect_stderr(file):
    print(main(), file=file)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "seeds", "seconds"), [(1, 5, 10), pytest.param(5, 10, 10, marks=pytest.mark.full)]
)
def test_the_bad_ones_among_many_are_named_and_the_rest_reported(
    tmp_path: Path, settings: int, seeds: int, seconds: float
) -> None:
    """With 100 records, and with 1,000."""
    runs = tmp_path / "results" / "runs"
    for benchmark in BENCHMARKS:
        for method in ("maml", "fomaml", "finetune", "nearest"):
            for setting in range(settings):
                for seed in range(seeds):
                    write_run(runs, benchmark, method, seed, settings=(f"iterations={60_000 - setting}",))
    folders = list(layout.folders(runs))
    bad = folders[:: len(folders) // (len(folders) // 25 * 2)]
    for place, folder in enumerate(bad):
        DAMAGE[place % len(DAMAGE)](folder)
    took = processor_seconds(SCRIPT, tmp_path)
    assert took < seconds * slowness()
    *left_out, code = (tmp_path / "said.txt").read_text().splitlines()
    assert code == "1" and len(left_out) == len(bad) and "Traceback" not in "".join(left_out)
    assert all(any("/".join(folder.parts[-4:]) + "/" in line for line in left_out) for folder in bad)
    with open(tmp_path / "results" / "report" / "report.csv", newline="") as file:
        assert sum(int(row["seeds"]) for row in csv.DictReader(file)) == len(folders) - len(bad)
    counts["records reported"] += len(folders) - len(bad)
    counts["bad records named"] += len(bad)
    counts[f"processor seconds of a report on {len(folders)} records"] = round(took)
