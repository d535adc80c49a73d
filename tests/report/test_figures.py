"""Readable figures: rows distinguished by words, axes that fit most scores, no panel with a single point."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.lines import Line2D

from bench import records
from bench.analysis.sections import sections
from bench.report import build, figures, labels, panels, section_notes
from bench.report.matrix import matrix
from tests.conftest import ROOT, bench_environment
from tests.report.synthetic import write_run


def test_rows_that_differ_are_called_differently_and_whole(runs: Path) -> None:
    settings = ("batch_norm_scale=false", "batch_norm_adapted=false", "initialisation=glorot-normal-head", "inner_lr=2")
    for changed in [(), *((each,) for each in settings), settings]:
        write_run(runs, preset="article", settings=("iterations=2000", *changed))
    (section,), _ = sections(records.read_all(runs)[0], [])
    called = [labels.label(cell) for cell in section.cells]
    assert len(set(called)) == len(called) == 6 and not any("…" in text for text in called)
    assert max(len(line) for text in called for line in text.split("\n")) <= labels.WIDTH
    said = [labels.one_line(text) for text in called]
    assert "maml, article, 2,000 iterations, inner rate 2, 1 seed" in said
    assert any("batch norm scale off" in text for text in said)


def test_a_row_has_the_settings_of_the_tables_in_words() -> None:
    found, _ = sections(records.read_all(ROOT / "results" / "reference")[0], [])
    section = next(section for section in found if section.benchmark.name == "miniimagenet-5w5s")
    cells, notes = section.cells, section_notes.notes(section)
    assert any(note.startswith("Queries by class: made when") for note in notes)
    said = {cell.method: labels.one_line(labels.label(cell)).replace("\u00a0", " ") for cell in cells}
    assert said["maml"] == "maml, paper, 200 iterations, 100 test episodes, queries by class, 1 seed"
    assert "adapt all, finetune steps 15, rates 0.5,0.1" in said["finetune"] and "adapt" not in said["nearest"]


def test_no_two_lines_of_a_method_look_alike() -> None:
    found, _ = sections(records.read_all(ROOT / "results" / "reference")[0], [])
    section = next(section for section in found if section.benchmark.name == "omniglot-5w1s")
    for panel in (panels.curves(section), panels.steps(section)):
        looks = [(key.get_color(), key.get_linestyle(), key._dash_pattern, key.get_marker()) for key in panel.keys]
        assert len(looks) > 10 and len(set(map(str, looks))) == len(looks)


@pytest.mark.parametrize(("long", "columns"), [(4, 4), (60, 1)])
def test_a_legend_stays_within_the_figure(long: int, columns: int) -> None:
    names = [f"{k}" + "w" * long for k in range(4)]
    found, height = figures._legend(names)
    figure = plt.figure(figsize=(figures._WIDTH, 4))
    legend = figure.legend(handles=[Line2D([], [], label=name) for name in names], ncols=found, fontsize=8.5)
    width = legend.get_window_extent().width / figure.dpi
    plt.close(figure)
    assert found == columns and width < figures._WIDTH and 0 < height < 2


def test_only_a_long_label_makes_its_row_taller(runs: Path) -> None:
    long = ("batch_norm_scale=false", "batch_norm_adapted=false", "initialisation=glorot-normal-head", "inner_lr=2")
    for method, changed in (("maml", ()), ("maml", long), ("fomaml", ()), ("reptile", ())):
        write_run(runs, method=method, preset="article", settings=changed)
    (section,), _ = sections(records.read_all(runs)[0], [])
    for panel in (panels.accuracy(section), panels.distributions(section)):
        assert panel is not None
        lines = [text.count("\n") + 1 for text in panel.rows]
        figure, axes = plt.subplots()
        marked = [float(np.ravel(mark.get_ydata())[0]) for mark, _ in panel.draw(axes) if isinstance(mark, Line2D)]
        figures._name_rows(axes, panel.rows)
        called = [text.get_position()[1] for text in axes.texts]
        plt.close(figure)
        assert max(lines) > 2 and marked == pytest.approx(called, abs=0.11)  # each mark is beside its label
        short = [below - above for k, (above, below) in enumerate(pairwise(called)) if lines[k : k + 2] == [1, 1]]
        assert short and short == pytest.approx([1] * len(short)) and max(np.diff(called)) > 1.2


def test_a_users_own_figures_are_left_alone() -> None:
    """In a notebook they are still shown: the report neither switches pyplot's backend nor opens a figure there."""
    asked = "import matplotlib; matplotlib.use('pdf'); import bench.report.figures, sys; "
    asked += "assert matplotlib.get_backend() == 'pdf' and 'matplotlib.pyplot' not in sys.modules"
    subprocess.run([sys.executable, "-c", asked], env=bench_environment(ROOT), check=True)


def test_one_score_that_explodes_does_not_set_the_axis() -> None:
    figure, axes = plt.subplots()
    panels._within_reach(axes, "y", np.array([0.1, 0.2, *[0.3] * 20, 1e51]))
    low, high = axes.get_ylim()
    said = [text.get_text() for text in axes.texts]
    plt.close(figure)
    assert axes.get_yscale() == "log" and low < 0.1 and 1 < high < 100
    assert said == ["1 beyond the axis, up to 1e+51"]


def test_a_single_validation_is_no_curve(runs: Path, out: Path) -> None:
    write_run(runs, settings=("iterations=2",))
    made = {path.name for path in build.build(runs, out).files}
    assert "accuracy-omniglot-5w1s.svg" in made and "curves-omniglot-5w1s.svg" not in made


def test_the_half_width_for_a_paper_does_not_end_at_100_percent(tmp_path: Path) -> None:
    for seed in range(3):
        write_run(tmp_path, seed=seed, accuracy=1.0, settings=("episodes=20", "evaluation.queries=1"))
    (section,), _ = sections(records.read_all(tmp_path)[0], [])
    (cell,) = section.cells
    assert cell.intervals["both"][1] == 100 < cell.headline.interval()[1]
    assert rf"$98.00 \pm {cell.headline.half_width():.2f}$" in matrix([section])


def test_one_latex_table_method_by_benchmark_for_a_paper(runs: Path, out: Path) -> None:
    for seed in range(3):
        write_run(runs, "miniimagenet-5w5s", seed=seed, accuracy=0.40)
        write_run(runs, "omniglot-5w1s", seed=seed, accuracy=0.95, preset="quick")
    write_run(runs, "omniglot-5w1s", "my_method", accuracy=0.9)
    build.build(runs, out)
    table = (out / "report.tex").read_text().split(r"\end{table*}")[0]
    lines = table.splitlines()
    assert r"method & miniimagenet-5w5s & omniglot-5w1s \\" in lines
    ours = next(line for line in lines if line.startswith("maml &"))
    assert ours.count(r" \pm ") == 2 and r"^{\neq}$" in ours.split("&")[1] and "^" not in ours.split("&")[2]
    assert lines[lines.index(ours) + 1] == r"\quad published & 63.11 $\pm$ 0.92 & 98.70 $\pm$ 0.40 \\"
    assert next(line for line in lines if line.startswith(r"my\_method")).endswith(r"\,\dagger$ \\")
