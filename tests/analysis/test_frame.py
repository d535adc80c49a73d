"""Results as a data frame: its rows, its columns, and how unusable records are handled."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bench
from bench import records
from bench.errors import UserError
from bench.records import layout
from tests.conftest import ROOT
from tests.report.synthetic import write_run


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two runs of one method, one of another that diverged, and a reference run."""
    for seed in range(2):
        write_run(tmp_path / "runs", seed=seed)
    write_run(tmp_path / "runs", method="fomaml", status="diverged")
    write_run(tmp_path / "reference", "miniimagenet-5w5s")
    return tmp_path


def test_a_row_a_run(results: Path) -> None:
    found = bench.frame(results)
    assert list(found["status"]) == ["diverged", "finished", "finished"]
    assert [Path(folder).name for folder in found["results"]] == ["runs", "runs", "runs"]
    assert found["training.inner_lr"].notna().all() and list(found["protocol"].unique()) == ["paper"]
    assert found.attrs["problems"] == []


def test_the_projects_own_runs_are_read_where_they_are_named(results: Path, tmp_path: Path) -> None:
    assert set(bench.frame(results)["benchmark"]) == {"omniglot-5w1s"}
    assert list(bench.frame(results / "reference")["benchmark"]) == ["miniimagenet-5w5s"]
    write_run(tmp_path / "cloned" / "reference")
    with pytest.raises(UserError, match=r"own are in .*cloned/reference"):
        bench.frame(tmp_path / "cloned")


def test_a_row_an_evaluation(results: Path) -> None:
    found = bench.frame(results / "runs", rows="evaluation")
    assert list(found["seed"]) == [0, 1] and list(found["evaluation.episodes"]) == [600, 600]
    one = records.read(results / "runs" / found["run"][1]).evaluations[0]
    assert found["score"][1] == one.final.mean() and found["score_sd"][1] == one.final.std(ddof=1)
    assert found["score_name"][1] == "accuracy" and found["step"][1] == one.step


def test_rows_of_episodes_and_steps_are_the_scores(results: Path) -> None:
    episodes, steps = (bench.frame(results, rows=rows) for rows in ("episode", "step"))
    for run, of_run in steps.groupby("run", observed=True):
        folder = next(f for f in ("runs", "reference") if (results / f / str(run)).exists())
        stored = records.read(results / folder / str(run)).evaluations[0]
        table = of_run.pivot(index="episode", columns="inner_step", values="score")
        np.testing.assert_array_equal(table, stored.scores)
        of_episodes = episodes[episodes["run"] == run]
        np.testing.assert_array_equal(of_episodes["score"], stored.final)
        counting = of_run[of_run["counts"]]
        np.testing.assert_array_equal(counting["score"], of_episodes["score"])
    assert episodes.index.is_unique and steps.index.is_unique


def test_bad_records_are_named(results: Path) -> None:
    folder = next(layout.folders(results / "runs"))
    (folder / layout.RECORD).write_text("{")
    with pytest.warns(UserWarning, match="left out"):
        found = bench.frame(results)
    assert len(found) == 2 and len(found.attrs["problems"]) == 1 and str(folder) in found.attrs["problems"][0]


def test_mistakes(results: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'episode'"):
        bench.frame(results, rows="episodes")
    with pytest.raises(UserError, match=r"no records in .*nowhere"):
        bench.frame(tmp_path / "nowhere")


def test_runs_without_scores_have_no_rows_of_them(tmp_path: Path) -> None:
    write_run(tmp_path / "runs", status="unfinished")
    found = bench.frame(tmp_path, rows="episode")
    assert len(found) == 0 and "method" in found


def test_the_package_is_light() -> None:
    check = "import sys, bench; sys.exit('pandas' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT).returncode == 0


def test_every_documented_column_is_there_and_every_column_is_documented(results: Path) -> None:
    text = bench.frame.__doc__ or ""
    for rows in ("run", "evaluation", "episode", "step"):
        for name in bench.frame(results, rows=rows):
            assert f"`{name.split('.')[0]}" in text, name


@pytest.mark.slow
def test_the_example_draws_a_figure(results: Path, tmp_path: Path) -> None:
    script, figure = ROOT / "examples" / "frame.py", tmp_path / "figure.png"
    done = subprocess.run([sys.executable, script, results, figure], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0 and figure.stat().st_size > 10_000, done.stderr
    assert "Warning" not in done.stderr and "means of" in done.stdout
