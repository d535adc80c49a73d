"""The output of `run` before it starts and when it ends: protocol, mean and interval as in the report."""

from __future__ import annotations

import re
from pathlib import Path

import bench
from tests.conftest import Command

RUN = ("run", "--benchmark", "tiny", "--set", "validations=1", "--threads", "1")


def test_mean_and_interval_over_seeds(typed: Command, tmp_path: Path) -> None:
    ran = typed(*RUN, "--iterations", "3", "--seeds", "3")
    (line,) = [line for line in ran.stdout.splitlines() if "episodes + seeds" in line]
    (row,) = bench.summary(tmp_path / "results" / "runs").to_dict("records")
    said = re.fullmatch(r"tiny maml, (.+): ([0-9.]+) %, 95 % interval ([0-9.]+) to ([0-9.]+) over .*", line)
    assert said is not None and said[1] == row["protocol"]
    found = [row["accuracy"], row["both_low"], row["both_high"]]
    assert [float(text) for text in said.groups()[1:]] == [round(float(value), 2) for value in found]
    assert f"protocol    {row['protocol']}: " in ran.stdout  # before it, too
    assert "1 thread," in ran.stdout and "1 threads" not in ran.stdout
    assert "episodes + seeds" not in typed(*RUN, "--iterations", "4").stdout
