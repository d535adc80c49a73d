"""Every method and every command on `tiny`, by the real command line: `tox -e smoke`."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from bench import records
from methods import METHODS
from tests.conftest import Command


def ok(bench: Command, *arguments: str) -> str:
    result = bench(*arguments)
    assert result.returncode == 0, (arguments, result.stdout, result.stderr)
    assert "Traceback" not in result.stderr and "Warning" not in result.stderr, result.stderr
    return result.stdout


@pytest.mark.slow
def test_every_method_and_every_command(bench: Command, tmp_path: Path) -> None:
    able = [name for name, kind in METHODS.items() if kind.needs in (None, "classes")]
    methods = [word for name in able for word in ("--method", name)]
    ran = ok(bench, "run", "--benchmark", "tiny", *methods, "--seeds", "2")
    assert "benchmark   tiny" in ran and "compared    maml: no published number" in ran
    results = tmp_path / "results" / "runs"
    found, problems = records.read_all(results)
    assert not problems
    assert sorted({r.method for r in found}) == sorted(able) and {r.seed for r in found} == {0, 1}
    assert all(r.status == "finished" and r.evaluations[0].scores.shape[0] == 20 for r in found)
    again = ok(bench, "run", "--benchmark", "tiny", "--method", "maml", "--seeds", "2")
    assert again.count("already finished") == 2

    run = next(r for r in found if r.method == "maml").name
    ok(bench, "evaluate", run, "--set", "queries=3", "--set", "batch_statistics=support", "--set", "weights=best")
    assert len(records.read(results / run).evaluations) == 2

    assert "miniimagenet-5w5s" in ok(bench, "report")
    assert {p.suffix for p in (tmp_path / "results" / "report").rglob("*")} >= {".html", ".md", ".csv", ".tex", ".svg"}
    assert "omniglot-20w5s" in ok(bench, "list")
    assert "omniglot" in ok(bench, "data", "list")
    ok(bench, "data", "verify")
    assert "verified: bit for bit" in ok(bench, "verify", run)
    ok(bench, "export", run, "--out", "capsule.zip")
    assert "imported" in ok(bench, "import", "capsule.zip", "--results", "theirs")
    assert "0.01 (assumed)" in ok(bench, "show", "protocol", "article")
    assert "settings differ" in ok(bench, "diff", "article", "paper", "--benchmark", "tiny")
    ends = ("--from", "article", "--to", "paper", "--benchmark", "tiny")
    assert "22 trainings" in ok(bench, "explain", *ends, "--seeds", "3", "--dry-run")  # of 24: two are there
    one = ("--factor", "evaluation.inner_steps", "--iterations", "1", "--set", "queries=1", "--set", "inner_steps=1")
    assert "rest of the gap" in ok(bench, "explain", *ends, *one)
    ok(bench, "show", "episode", "--benchmark", "tiny", "--split", "train", "--index", "7", "--out", "episode.png")
    with Image.open(tmp_path / "episode.png") as picture:
        assert picture.size[0] > 28 and len(picture.convert("L").getcolors()) > 1
