"""`explain` at the real command line, on `tiny`: which runs it makes, which it shares, and that its numbers equal the
records'."""

from __future__ import annotations

import csv
import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench import files, records
from bench.cli.running import TIME_IS_UP, Stop
from bench.protocols import protocol, settings
from bench.records import layout
from bench.tools.explain import variants
from tests.conftest import ROOT, Command, one_line

SMALL = ("--set", "inner_steps=1", "--set", "evaluation.inner_steps=2", "--set", "queries=2", "--set", "episodes=10")
EXPLAIN = ("explain", "--from", "article", "--to", "paper", "--benchmark", "tiny", *SMALL, "--iterations", "2")
THREE = ("--factor", "inner_lr", "--factor", "evaluation.queries", "--factor", "meta_update")


def rows(folder: Path) -> dict[str, dict[str, str]]:
    (path,) = folder.glob("report/explain-*.csv")
    with open(path, newline="") as file:
        return {row["factor"]: row for row in csv.DictReader(file)}


def mean(found: list[records.Record], **values: object) -> float:
    """The mean score in percent, over seeds and episodes, of the one variant with these values."""
    scores = [
        e.final
        for record in found
        for e in record.evaluations
        if values.items() <= settings.settings_of(protocol.Protocol(record.training, e.evaluation)).items()
    ]
    assert len(scores) == 3
    return 100 * float(np.mean(scores))


def times_of_change(folder: Path) -> dict[Path, int]:
    """The time of the last change of every file, without locks, which some versions of filelock write to."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("[!.]*.*")}


def test_the_effects_are_those_of_the_records(typed: Command, tmp_path: Path) -> None:
    ran = typed(*EXPLAIN, *THREE, "--seeds", "3")
    assert ran.returncode == 0, ran.stderr
    assert "5 cells of 3 seeds; to do: 12 trainings" in ran.stdout and "and 15 evaluations" in ran.stdout
    found, problems = records.read_all(tmp_path / "results" / "runs")
    assert not problems and len(found) == 12  # the other number of queries is one more evaluation of article's runs
    one, other = {"initialisation": "pytorch"}, {"initialisation": "glorot-normal-head"}
    article = {"inner_lr": 0.01, "evaluation.queries": 15, "meta_update": "meta-batch"}
    start, end = mean(found, **one, **article), mean(found, **other)
    changed = {name: mean(found, **one, **article | {name: value}) - start for name, value in CHANGED.items()}
    table = rows(tmp_path / "results")
    assert float(table["paper - article"]["value"]) == pytest.approx(end - start, abs=1e-4)
    for name, effect in changed.items():
        assert float(table[name]["value"]) == pytest.approx(effect, abs=1e-4)
    left = end - start - changed["inner_lr"] - changed["evaluation.queries"]
    assert float(table["rest of the gap"]["value"]) == pytest.approx(left, abs=1e-4)
    assert table["inner_lr"]["change"] == "0.01 (assumed) -> 2" and table["meta_update"]["kind"] == "reading"
    assert {row["seeds"] for row in table.values()} == {"0 1 2"} and table["inner_lr"]["interval"] == "both"
    assert {path.suffix for path in (tmp_path / "results/report").glob("explain-*")} == {".md", ".csv", ".svg"}

    before = times_of_change(tmp_path / "results" / "runs")
    again = typed(*EXPLAIN, *THREE, "--seeds", "3")
    assert "to do: 0 trainings" in again.stdout and again.stdout.count("already finished") == 15
    assert rows(tmp_path / "results") == table
    assert times_of_change(tmp_path / "results" / "runs") == before


CHANGED = {"inner_lr": 2.0, "evaluation.queries": 1, "meta_update": "episode"}


def test_runs_that_are_there_are_shared_and_it_goes_on_where_time_ran_out(typed: Command, tmp_path: Path) -> None:
    paper = ("run", "--benchmark", "tiny", "--protocol", "paper", *SMALL, "--iterations", "2")
    assert typed(*paper).returncode == 0
    asked = (*EXPLAIN, "--factor", "inner_lr", "--seeds", "1")
    listing = typed(*asked, "--dry-run")
    assert listing.returncode == 0 and "to do: 2 trainings" in listing.stdout
    assert not (tmp_path / "results" / "report").exists() and len(records.read_all(tmp_path / "results/runs")[0]) == 1
    stopped = typed(*asked, "--max-minutes", "0.000001")
    assert stopped.returncode == TIME_IS_UP and "resume with: python -m bench explain" in stopped.stderr
    ran = typed(*asked)
    assert (
        ran.returncode == 0 and "these weights only" in ran.stdout and "interaction, and the factors not" in ran.stdout
    )
    told = typed(*asked, "--json")
    outcomes = [json.loads(line)["outcome"] for line in told.stdout.splitlines()]
    assert told.returncode == 0 and outcomes == ["skipped"] * 3 and "these weights only" in told.stderr


def test_cheap_cells_come_first(typed: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variants, "add_times", lambda works, on_event: works)  # in the order of the estimated costs
    listing = typed("explain", "--from", "article", "--to", "paper", "--benchmark", "omniglot-5w1s", "--dry-run")
    lines = [line for line in listing.stdout.splitlines() if "x, " in line or "shared" in line]
    costs = [float(line.split("x, ")[0].split()[-1]) for line in lines if "x, " in line]
    assert costs == sorted(costs) and "with paper's meta_batch" in lines[-1] and costs[-1] == 16
    shared = [line.split("  ")[0] for line in lines if "shared" in line]
    names = ("iterations", "evaluation.queries", "evaluation.inner_steps")
    assert shared == [f"article with paper's {name}" for name in names]


def test_iterations_are_a_factor_that_trains_nothing(typed: Command, tmp_path: Path) -> None:
    asked = ("explain", "--from", "article", "--to", "paper", "--benchmark", "tiny", *SMALL, "--factor", "iterations")
    assert "to do: 2 trainings" in typed(*asked, "--dry-run").stdout
    assert typed(*asked).returncode == 0
    found, _ = records.read_all(tmp_path / "results" / "runs")
    (article,) = [record for record in found if record.training.iterations == 25]
    scores = {e.iteration: e.final.mean() for e in article.evaluations}
    effect = float(rows(tmp_path / "results")["iterations"]["value"])
    stem = next(layout.evaluation_stem(e.evaluation, 20) for e in article.evaluations)
    kept = {path: path.read_bytes() for path in (article.path / "evaluations").glob(f"{stem}.*")}
    for path in kept:
        path.unlink()
    listing = typed(*asked, "--dry-run").stdout  # both cells of the training are evaluated after 20 iterations
    assert "to do: 0 trainings" in listing and "and 1 evaluation" in listing and "evaluations" not in listing
    for path, content in kept.items():
        path.write_bytes(content)
    assert set(scores) == {20, 25} and effect == pytest.approx(100 * (scores[20] - scores[25]), abs=1e-4)

    lost = article.info | {"files": {k: v for k, v in article.info["files"].items() if "@" not in k}}
    files.write_sealed(article.path / layout.RECORD, lost)
    assert "to do: 1 training," in typed(*asked, "--dry-run").stdout  # which is what is left to do then
    files.write_sealed(article.path / layout.RECORD, lost | {"status": "diverged"})
    assert "to do: 0 trainings" in typed(*asked, "--dry-run").stdout  # it has no score, whatever is trained beside it


@pytest.mark.parametrize("method", ["finetune", "nearest"])  # which evaluates the weights of the other
def test_a_training_that_is_past_the_iteration_is_not_shared(
    typed: Command, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    asked = ("explain", "--from", "ravi", "--to", "paper", "--benchmark", "tiny", "--factor", "iterations")
    dry = (*asked, "--method", method, "--dry-run")
    assert "shared" in typed(*dry).stdout
    for after, shared in ((19, True), (21, False)):
        calls = itertools.count(1)
        with monkeypatch.context() as patched:
            patched.setattr(Stop, "__call__", lambda stop, calls=calls, after=after: next(calls) >= after)
            run = ("run", "--benchmark", "tiny", "--protocol", "ravi", "--method", "finetune", "--force")
            assert f"at iteration {after}; resume" in typed(*run).stderr
        assert ("shared" in typed(*dry).stdout) == shared


@pytest.mark.parametrize("how", [("maml", "--set", "meta_lr_final=0"), ("msl",)], ids=["rate", "loss"])
def test_a_training_with_a_schedule_to_its_end_is_not_shared(typed: Command, how: tuple[str, ...]) -> None:
    asked = ("explain", "--from", "article", "--to", "paper", "--benchmark", "tiny", "--factor", "iterations")
    listing = typed(*asked, "--dry-run", "--method", *how).stdout
    assert "article with paper's iterations" in listing and "shared" not in listing


def test_a_method_of_one_s_own_names_no_folder(typed: Command, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mine.py").write_text("from methods.maml import Maml\n\n\nclass Mine(Maml):\n    pass\n")
    ran = typed(*EXPLAIN, "--factor", "inner_lr", "--method", "own/mine.py")
    assert ran.returncode == 0 and (tmp_path / "results/report/explain-article-paper-tiny-mine.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--from", "article"), "required"),
        (("--from", "articel", "--to", "paper"), "did you mean 'article'"),
        (("--from", "paper", "--to", "paper"), "nothing differs"),
        (("--from", "article", "--to", "paper", "--factor", "inner_rl"), "did you mean 'inner_lr'"),
        (("--from", "paper", "--to", "chen", "--factor", "image_batch"), "unknown factor 'image_batch'"),
        (("--from", "article", "--to", "paper", "--method", "mamll"), "did you mean 'maml'"),
        (("--from", "article", "--to", "paper", "--direction", "up"), "invalid choice"),
        (("--from", "article", "--to", "paper", "--seeds", "0"), "give at least 1"),
        (("--from", "article", "--to", "paper", "--benchmark", "sinusoid-5s"), "for images"),
    ],
)
def test_mistakes(typed: Command, tmp_path: Path, arguments: tuple[str, ...], expected: str) -> None:
    assert expected in one_line(typed("explain", "--benchmark", "tiny", *arguments))
    assert not list(tmp_path.iterdir())


def test_what_is_shown_needs_no_torch() -> None:
    check = "import sys, bench.tools.explain.factors, bench.tools.explain.tables; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", check], check=True, cwd=ROOT)
