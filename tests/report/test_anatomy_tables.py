"""The decomposition of intervals as a report shows it, and the reference runs of the authors' weights."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from bench import records
from bench.analysis import claims_file
from bench.analysis.pooling import pool
from bench.analysis.verdicts import judge
from bench.protocols import benchmarks, presets, published_weights
from bench.protocols.settings import with_settings
from bench.report import build
from bench.report.anatomy_tables import plausible
from tests.report.synthetic import write_run

REFERENCE = Path(__file__).parents[2] / "results" / "reference"


def table(text: str, caption: str) -> dict[str, str]:
    """First cell -> row, for the first table below this caption."""
    lines = text.partition(caption)[2].partition("\n#")[0].splitlines()
    return {line.split(" | ")[0].removeprefix("| "): line for line in lines if line.startswith("| ")}


def test_published_intervals_beside_the_tests_that_could_have_given_them(tmp_path: Path) -> None:
    write_run(tmp_path / "runs", "miniimagenet-5w5s", accuracy=0.3)  # too far from what is published to tell of it
    build.build(tmp_path / "runs", tmp_path)
    found = table((tmp_path / "report.md").read_text(), "test sizes consistent with the published ±")
    paper, article = found["maml: 63.11 ± 0.92 (paper)"], found["maml: 61.03 ± 0.41 (article 60000 iterations)"]
    assert "600 × 25: 5.0 to 7.7, compatible" in paper and "600 × 75 (too wide)" in paper
    assert "too narrow | 6.0 to 8.0 | 0.51 to 0.60" in article


def test_every_run_is_dissected(tmp_path: Path) -> None:
    for seed in range(3):
        write_run(tmp_path / "runs", "miniimagenet-5w5s", seed=seed, accuracy=0.63)
    build.build(tmp_path / "runs", tmp_path)
    text = (tmp_path / "report.md").read_text()
    ours = table(text, "anatomy of the intervals")["maml: paper"].split(" | ")
    assert float(ours[4]) == pytest.approx(6, abs=1)  # the SD between episodes that the scores were drawn with
    steps = table(text, "anatomy by inner step")["maml: paper"].rstrip(" |").split(" | ")
    assert [len(values.split()) for values in steps[3:]] == [11, 11, 11, 11] and steps[2] == "0 to 10"
    with open(tmp_path / "report.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert f"{float(row['sd_between_episodes']):.2f}" == ours[4]
    assert len(row["sd_between_episodes_by_step"].split()) == 11 and float(row["sd_between_seeds"]) < 2


def test_two_episodes_that_vary_more_than_any_queries_can(tmp_path: Path) -> None:
    """One wholly wrong and one wholly right: every point of the variance lies between the episodes."""
    folder = write_run(tmp_path / "runs", settings=("evaluation.episodes=2",))
    of = with_settings(presets.preset("paper", benchmarks.get("omniglot-5w1s")), ("evaluation.episodes=2",))
    info = {"setting": {}, "score": "accuracy", "seconds": 1.0, "episodes_digest": "e" * 64}
    scores = np.tile([[0.0], [1.0]], of.evaluation.inner_steps + 1)
    records.write_evaluation(folder, of.evaluation, of.training.iterations, of.evaluation.inner_steps, scores, info)
    build.build(tmp_path / "runs", tmp_path)
    with open(tmp_path / "report.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["sd_between_episodes"]) == pytest.approx(100 * 0.5**0.5) and float(row["sd_binomial"]) == 0
    assert "| 70.71 | 0.00 | 70.71 |" in (tmp_path / "report.md").read_text()


def test_what_is_plausible_is_of_about_the_claims_accuracy(tmp_path: Path) -> None:
    write_run(tmp_path, accuracy=0.97)
    (cell,), _ = pool(records.read_all(tmp_path)[0])
    named = {(c.benchmark, c.method, c.variant): c for c in claims_file.published_claims()}
    near, far = named["omniglot-5w1s", "maml", "paper"], named["omniglot-5w1s", "maml-no-conv", "paper"]
    measured = plausible(near, [cell])
    assert measured is not None and 0 <= measured[0] < measured[1] < 6  # drawn with 6, but cut off at 100 %
    assert plausible(near, []) is None and plausible(far, [cell]) is None  # 98.70 and 89.70
    assert plausible(named["miniimagenet-5w5s", "maml", "paper"], []) == (6.0, 8.0)
    assert plausible(named["miniimagenet-5w1s", "finetune", "Ravi & Larochelle"], []) is None  # 28.86, near chance


def test_an_inconclusive_verdict_says_what_would_decide_it(tmp_path: Path) -> None:
    for seed in range(3):
        write_run(tmp_path / "runs", "miniimagenet-5w1s", seed=seed, accuracy=0.47)
    made = build.build(tmp_path / "runs", tmp_path)
    with open(tmp_path / "report.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["verdict"] == "inconclusive" and ("would decide it" in made.text or "too wide to decide" in made.text)
    for name in ("seeds", "episodes"):
        assert row[f"{name}_that_would_decide"] == "none" or int(row[f"{name}_that_would_decide"]) > 3


def test_the_authors_weights_of_the_reference_runs() -> None:
    """Evaluated as in the paper, they do not differ from its 48.70, which checks the evaluation code."""
    found = [record for record in records.read_all(REFERENCE)[0] if record.training.origin]
    assert len(found) == 1 and published_weights.recognise(found[0].info["origin"]["files"]) is not None
    paper = next(c for c in claims_file.published_claims() if (c.benchmark, c.accuracy) == ("miniimagenet-5w1s", 48.70))
    judged = [h for cell in pool(found)[0] if not (h := judge(paper, cell)).reasons]
    assert len(judged) == 1 and judged[0].verdict != "differs"
    assert judged[0].cell.scores.shape == (1, 600) and judged[0].interval is not None
    assert judged[0].interval[0] < 0 < judged[0].interval[1]
