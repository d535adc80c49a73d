"""Every method and every command on `tiny`, each in a process: `tox -e smoke`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from bench import records
from methods import METHODS
from tests.killing import command


@pytest.fixture
def ok(tmp_path: Path, data_dir: Path) -> Callable[..., str]:
    """Runs a command that must succeed without a warning, and returns what it printed."""

    def run(*arguments: str) -> str:
        ended = command(tmp_path, data_dir, arguments)
        assert ended.code == 0 and "Traceback" not in ended.said and "Warning" not in ended.said, (arguments, ended)
        return ended.said

    return run


@pytest.mark.slow
def test_every_method_and_every_command(ok: Callable[..., str], tmp_path: Path) -> None:
    able = [name for name, kind in METHODS.items() if kind.needs in (None, "classes")]
    methods = [word for name in able for word in ("--method", name)]
    ran = ok("run", "--benchmark", "tiny", *methods, "--seeds", "2")
    assert "benchmark   tiny" in ran and "compared    maml: no published number" in ran
    results = tmp_path / "results" / "runs"
    found, problems = records.read_all(results)
    assert not problems
    assert sorted({r.method for r in found}) == sorted(able) and {r.seed for r in found} == {0, 1}
    assert all(r.status == "finished" and r.evaluations[0].scores.shape[0] == 20 for r in found)
    again = ok("run", "--benchmark", "tiny", "--method", "maml", "--seeds", "2")
    assert again.count("already finished") == 2

    run = next(r for r in found if r.method == "maml").name
    ok("evaluate", run, "--set", "queries=3", "--set", "batch_statistics=support", "--set", "weights=best")
    assert len(records.read(results / run).evaluations) == 2

    assert "miniimagenet-5w5s" in ok("report")
    assert {p.suffix for p in (tmp_path / "results" / "report").rglob("*")} >= {".html", ".md", ".csv", ".tex", ".svg"}
    assert "omniglot-20w5s" in ok("list")
    assert "omniglot" in ok("data", "list")
    ok("data", "verify")
    assert "verified: bit for bit" in ok("verify", run)
    ok("export", run, "--out", "capsule.zip")
    assert "imported" in ok("import", "capsule.zip", "--results", "theirs")
    assert "0.01 (assumed)" in ok("show", "protocol", "article")
    assert "settings differ" in ok("diff", "article", "paper", "--benchmark", "tiny")
    ends = ("--from", "article", "--to", "paper", "--benchmark", "tiny")
    assert "22 trainings" in ok("explain", *ends, "--seeds", "3", "--dry-run")  # of 24: two are there
    one = ("--factor", "evaluation.inner_steps", "--iterations", "1", "--set", "queries=1", "--set", "inner_steps=1")
    assert "rest of the gap" in ok("explain", *ends, *one)
    ok("show", "episode", "--benchmark", "tiny", "--split", "train", "--index", "7", "--out", "episode.png")
    with Image.open(tmp_path / "episode.png") as picture:
        assert picture.size[0] > 28 and len(picture.convert("L").getcolors()) > 1
