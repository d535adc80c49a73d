"""The report from a user's view: its text, its files, its duration, and how it handles damaged records."""

from __future__ import annotations

import csv
import os
import resource
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import bench
from bench import files, records
from bench.analysis import claims_file, paired_tests
from bench.errors import UserError
from bench.protocols import presets
from bench.protocols.benchmarks import BENCHMARKS
from bench.protocols.protocol import STATISTICS
from bench.records import layout
from bench.report import build
from bench.report.processes import at_once
from tests.report.synthetic import write_run, write_scores

ROOT = Path(__file__).parents[2]
_SEABORN_SECONDS = 1.3  # to import it, on 2 cores of the kind that the five seconds are stated for
CLAIM = "python -m bench run --method maml --seeds 5 --benchmark miniimagenet-5w5s --protocol paper"


def markdown(made: build.Report) -> str:
    return next(path for path in made.files if path.name == "report.md").read_text()


def rows(made: build.Report) -> list[dict[str, str]]:
    path = next(path for path in made.files if path.name == "report.csv")
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_of_the_63_11_is_always_there(runs: Path, out: Path) -> None:
    made = build.build(runs, out)
    assert "63.11 ± 0.92" in made.text and "not run" in made.text and CLAIM in made.text
    table = markdown(made).split("The number that this project is about")[1].splitlines()
    first = next(line for line in table if "| maml" in line)
    assert "63.11 ± 0.92" in first and "Finn et al. 2017 Table 1" in first and "not run" in first and CLAIM in first
    assert made.problems == [] and len(made.text.splitlines()) < 8


def test_a_part_of_the_data_is_not_what_it_is_a_number_of(runs: Path, out: Path) -> None:
    for seed in range(3):
        write_run(runs, "miniimagenet-5w5s", seed=seed, data={"partial": True})
    made = build.build(runs, out)
    assert CLAIM in markdown(made).split("The number that this project is about")[1]
    assert [row["benchmark"] for row in rows(made)] == ["part of miniimagenet-5w5s"]
    assert "| a part of mini-imagenet, digest dddddddd |" in markdown(made)
    assert rows(made)[0]["verdict"] == "not judged" and "another data set" in rows(made)[0]["why"]


def test_a_run_of_the_paper_is_judged(runs: Path, out: Path) -> None:
    for seed in range(3):
        write_run(runs, "miniimagenet-5w5s", seed=seed, accuracy=0.40)
    made = build.build(runs, out)
    (row,) = rows(made)
    assert (row["protocol"], row["seeds"], row["iterations"], row["weights"]) == ("paper", "3", "60000", "last")
    assert row["batch_norm"] == "batch (transductive)" and row["published"] == "63.11" and row["margin"] == "2.0"
    assert row["verdict"] == "differs" and "excludes 0" in row["why"] and "resizer is unknown" in row["why"]
    assert float(row["difference_low"]) < float(row["difference"]) < float(row["difference_high"]) < 0
    for name in ("both", "over_episodes", "over_seeds", "crossed_bootstrap"):
        assert float(row[f"{name}_low"]) < float(row["accuracy"]) < float(row[f"{name}_high"])
    assert "differs" in made.text and CLAIM not in made.text


def test_every_mode_of_batch_norm_has_its_words(runs: Path, out: Path) -> None:
    for mode in STATISTICS:
        write_run(runs, "tiny", settings=(f"evaluation.batch_statistics={mode}", f"filters={8 + len(mode)}"))
    found = {row["batch_norm"] for row in rows(build.build(runs, out))}
    assert len(found) == len(STATISTICS) and "support and one query (inductive)" in found


def test_diverged_and_unfinished_runs_are_shown_and_in_no_mean(runs: Path, out: Path) -> None:
    for seed in range(3):
        write_run(runs, seed=seed)
    write_run(runs, seed=3, status="diverged")
    write_run(runs, seed=4, status="unfinished")
    made = build.build(runs, out)
    (row,) = rows(made)
    assert row["seed_numbers"] == "0 1 2" and row["diverged_seeds"] == "3"
    assert "without seed 3, which diverged" in row["why"]
    for text in (made.text, markdown(made)):
        assert "3 (seed 3 diverged)" in text
        assert "seed3: diverged at iteration 10" in text and "seed4: unfinished: 10 of 60000" in text


def test_a_run_with_an_episode_that_has_no_score_is_in_no_mean(runs: Path, out: Path) -> None:
    folder = [write_run(runs, seed=seed) for seed in range(4)][-1]
    whole = records.read(folder).evaluations[0]
    scores = whole.scores.copy()
    scores[[7, 9], whole.step] = np.nan
    about = {name: whole.info[name] for name in ("setting", "score", "episodes_digest")}
    records.write_evaluation(folder, whole.evaluation, whole.iteration, whole.step, scores, about)
    made = build.build(runs, out)
    (row,) = rows(made)
    assert row["seed_numbers"] == "0 1 2" and row["diverged_seeds"] == "3"
    mean = f"the mean of the others is {100 * np.nanmean(scores[:, whole.step]):.2f} %"
    name = layout.evaluation_stem(whole.evaluation, whole.iteration)
    line = f"seed3: outputs not finite in 2 of 600 test episodes of evaluation {name} ({mean}); excluded from means"
    assert line in made.text and line in markdown(made)
    frame = bench.frame(runs, rows="evaluation")
    assert frame["score"].isna().tolist() == [False, False, False, True]


def test_a_corrupt_record_is_named_and_left_out(runs: Path, out: Path) -> None:
    folders = [write_run(runs, seed=seed) for seed in range(4)]
    (folders[0] / layout.RECORD).write_text("{")
    next((folders[1] / "evaluations").glob("*.parquet")).write_bytes(b"")
    made = build.build(runs, out)
    assert len(made.problems) == 2 and str(folders[0]) in made.problems[0] and str(folders[1]) in made.problems[1]
    assert rows(made)[0]["seed_numbers"] == "2 3" and "## Left out" in markdown(made)


@pytest.mark.parametrize("lost", ["data", "iteration"])
def test_a_record_that_lacks_something_is_named(runs: Path, out: Path, lost: str) -> None:
    folder = write_run(runs)
    info = records.read(folder).info
    files.write_sealed(folder / layout.RECORD, {k: v for k, v in info.items() if k != lost})
    made = build.build(runs, out)
    assert len(made.problems) == 1 and str(folder) in made.problems[0] and lost in made.problems[0]


def test_seeds_on_other_data_or_episodes_are_not_pooled(runs: Path, out: Path) -> None:
    write_run(runs, seed=0)
    write_run(runs, seed=1, episodes_digest="f" * 64)
    made = build.build(runs, out)
    assert rows(made) == [] and "test episodes" in made.problems[0] and "not pooled" in made.problems[0]


def test_reference_runs_stand_apart(runs: Path, out: Path) -> None:
    for seed in range(2):
        write_run(runs, seed=seed)
        write_run(runs.parent / "reference", seed=seed + 2)
    made = build.build(runs, out)
    assert [(Path(row["results"]).name, row["seed_numbers"]) for row in rows(made)] == [("runs", "0 1")]
    assert "This project's own runs, not yours, in" in made.text
    alone = build.build(runs.parent / "reference", out)
    assert [row["seed_numbers"] for row in rows(alone)] == ["2 3"] and "not yours" not in alone.text


def test_reference_runs_answer_for_nobody_else(runs: Path, out: Path) -> None:
    """The user's own run does not match; the project's does, and is listed in its own block only."""
    write_run(runs, accuracy=0.55, preset="quick")
    for seed in range(3):
        write_run(runs.parent / "reference", seed=seed, accuracy=0.985)
    made = build.build(runs, out)
    told, own = markdown(made).split("## This project's own runs, not yours")
    page = next(path for path in made.files if path.name == "report.html").read_text()
    assert "differs 0" in told and "differs 1" in own and "differs 0" in made.text.split("own runs")[0]
    answer = page.split('id="answer"')[1].split('class="apart"')[0]
    assert "differs 0" in answer and 'class="verdict differs"' not in answer and "seeds: 3" not in told
    assert "97.23" in own
    assert "97.23" not in told + (out / "report.tex").read_text() + (out / "report.csv").read_text()


def test_claims_of_a_user(runs: Path, out: Path, tmp_path: Path) -> None:
    for seed in range(3):
        write_run(runs, seed=seed)
    header = claims_file.PUBLISHED.read_text().splitlines()[0]
    line = "omniglot-5w1s,maml,mine,94.5,0.5,over tasks,600,1,transductive,a thesis,,paper,60000,1.0\n"
    for path in (tmp_path / "mine.csv", runs / "claims.csv"):
        path.write_text(f"{header}\n{line}")
    assert "a thesis (mine)" in markdown(build.build(runs, out))
    (runs / "claims.csv").unlink()
    assert "a thesis (mine)" not in markdown(build.build(runs, out))
    assert "a thesis (mine)" in markdown(build.build(runs, out, tmp_path / "mine.csv"))


def test_near_a_bound_a_report_says_so_and_intervals_stay_inside(runs: Path, out: Path) -> None:
    for seed in range(2):
        write_run(runs, seed=seed, accuracy=1.05)
    made = build.build(runs, out)
    assert 99 < float(rows(made)[0]["both_high"]) <= 100
    assert "contain the truth less often than 95 %" in markdown(made)


def test_pairs_of_methods(runs: Path, out: Path) -> None:
    for seed in range(3):
        write_run(runs, method="maml", seed=seed, accuracy=0.95)
        write_run(runs, method="fomaml", seed=seed, accuracy=0.90)
        write_run(runs, method="nearest", seed=seed + 1, accuracy=0.80)
        write_run(runs, method="finetune", preset="ravi", seed=seed, accuracy=0.80)  # trained otherwise: no pair
    table = markdown(build.build(runs, out)).split("methods compared")[1].split("####")[0]
    pairs = [line for line in table.splitlines() if " − " in line]
    assert [pair.split(" | ")[0] for pair in pairs] == ["| maml − fomaml", "| maml − nearest", "| fomaml − nearest"]
    assert "| 3 | 600 |" in pairs[0] and "| episodes + seeds |" in pairs[0]
    assert "| 2 | 600 |" in pairs[1] and "these weights only | – | – |" in pairs[1]


def test_the_gain_of_further_iterations_is_paired(runs: Path, out: Path) -> None:
    article = {"benchmark": "miniimagenet-5w5s", "preset": "article"}
    evaluation = presets.preset("article", BENCHMARKS["miniimagenet-5w5s"]).evaluation
    for seed in range(3):
        folder = write_run(runs, seed=seed, accuracy=0.62, **article)
        write_scores(folder, BENCHMARKS["miniimagenet-5w5s"], "maml", seed, evaluation, 60_000, 0.61)
        write_run(runs, method="nearest", seed=seed, **article)
    made = build.build(runs, out)
    table = markdown(made).split("gain from further iterations")[1].split("####")[0]
    (row,) = [line for line in table.splitlines() if " − at " in line]
    assert row.startswith("| maml at 75000 − at 60000 iterations |") and row.endswith("| 3 | 1000 | article |")
    assert "| episodes + seeds |" in row
    (line,) = [line for line in made.text.splitlines() if "− at 60000 iterations" in line]
    earlier, later = (
        np.stack(
            [
                e.final
                for r in records.read_all(runs)[0]
                for e in r.evaluations
                if e.iteration == at and r.method == "maml"
            ]
        )
        for at in (60_000, 75_000)
    )
    gain = paired_tests.paired_difference(100 * later, 100 * earlier).difference
    assert "{:+.2f} points ({:+.2f} to {:+.2f}, episodes + seeds), paired".format(gain.value, *gain.interval()) in line
    assert "claim 61.03 ± 0.41" in made.text and "claim 62.32 ± 0.40" in made.text
    protocols = markdown(made).split("how article differs from paper")[1].split("####")[0]
    assert "0.01 (assumed)" in protocols and "initialisation" in protocols
    assert "inner_lr" in rows(made)[0]["assumed"].split() and "queries" not in rows(made)[0]["assumed"].split()


def test_pairs_of_precisions(runs: Path, out: Path) -> None:
    for seed in range(3):
        for settings in ((), ("precision=bf16",), ("precision=bf16", "inner_lr=0.1")):
            write_run(runs, seed=seed, settings=settings, accuracy=0.95 - 0.1 * bool(settings))
        write_run(runs, method="fomaml", seed=seed, settings=("precision=bf16",))
    table = markdown(build.build(runs, out)).split("methods compared")[1].split("####")[0]
    pairs = {line.split(" | ")[-1].removesuffix(" |"): line for line in table.splitlines() if " − " in line}
    # Not the one that has another inner rate too, nor another method in another precision.
    assert pairs.keys() == {"paper / paper, precision=bf16", "paper, precision=bf16"}
    assert "| maml − maml | +9" in pairs["paper / paper, precision=bf16"]
    assert "| 3 | 600 |" in pairs["paper / paper, precision=bf16"]


def test_the_same_records_give_the_same_files(runs: Path, tmp_path: Path) -> None:
    for seed in range(2):
        write_run(runs, seed=seed)
        write_run(runs, method="fomaml", seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second = (build.build(runs, tmp_path / name).files for name in ("one", "two"))
    assert {path.name for path in first} >= {
        f"{kind}-omniglot-5w1s.svg" for kind in ("accuracy", "curves", "steps", "distributions", "differences")
    }
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_figures_in_other_formats(runs: Path, tmp_path: Path) -> None:
    write_run(runs)
    drawn = [set(build.build(runs, tmp_path / str(n), formats=("png", "pdf")).files) for n in (1, 2)]
    begins = {".svg": b"<?xml", ".png": b"\x89PNG", ".pdf": b"%PDF"}
    for suffix, begin in begins.items():
        first, second = (sorted(path for path in files if path.suffix == suffix) for files in drawn)
        assert len(first) == len(second) == 4 and all(path.read_bytes().startswith(begin) for path in first)
        assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_several_processes_give_the_same_files(runs: Path, tmp_path: Path) -> None:
    for benchmark in ("omniglot-5w1s", "omniglot-5w5s", "omniglot-20w1s", "miniimagenet-5w5s"):
        for method in ("maml", "fomaml"):
            for seed in range(2):
                write_run(runs, benchmark, method, seed)
    (next(layout.folders(runs)) / layout.RECORD).write_text("{")
    one, two = (build.build(runs, tmp_path / str(n), processes=n) for n in (1, 2))
    assert len(one.files) > 20 and len(one.problems) == 1 and one.problems == two.problems
    assert [path.read_bytes() for path in one.files] == [path.read_bytes() for path in two.files]


def test_what_goes_wrong_in_another_process_is_said_here() -> None:
    def fails(thing: int) -> int:
        raise UserError(f"no {thing}")

    with pytest.raises(UserError, match="no 0"), at_once(fails, range(40), 2) as done:
        list(done)
    with at_once(lambda thing: 2 * thing, range(40), 2) as done:
        assert list(done) == [2 * thing for thing in range(40)]


def test_no_torch() -> None:
    check = "import sys, bench.report.build, bench.analysis.claims; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT).returncode == 0


@pytest.mark.slow
def test_a_hundred_runs_take_under_five_seconds(runs: Path, out: Path) -> None:
    for benchmark in ("omniglot-5w1s", "omniglot-5w5s", "omniglot-20w1s", "miniimagenet-5w1s", "miniimagenet-5w5s"):
        for method in ("maml", "fomaml", "finetune", "nearest"):
            for seed in range(5):
                write_run(runs, benchmark, method, seed)
    script = (
        f"from pathlib import Path; from bench.report.build import build;build(Path({str(runs)!r}), Path({str(out)!r}))"
    )
    assert processor_seconds(script) < 5 * slowness()
    assert len(list(out.glob("*.svg"))) == 25
    assert (out / "report.html").stat().st_size < 5e6


def slowness() -> float:
    """Compares processor time with that of an import, because on a busy machine wall time means nothing."""
    return max(1.0, processor_seconds("import seaborn") / _SEABORN_SECONDS)


def processor_seconds(script: str, cwd: Path = ROOT) -> float:
    """The processor seconds in which a Python process starts and runs the script."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", script], cwd=cwd, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
