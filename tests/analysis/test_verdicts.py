"""Verdicts: what a claim is compared with, and what rules a run out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import records
from bench.analysis import claims_file, statistics
from bench.analysis.cells import Cell
from bench.analysis.claims import Claim
from bench.analysis.pooling import pool
from bench.analysis.sections import command
from bench.analysis.verdict_reasons import would_decide
from bench.analysis.verdicts import NOT_JUDGED, Judgement, PlannedCell, against_any_run, disqualified_by, judge
from bench.protocols import presets
from bench.protocols.benchmarks import get
from bench.protocols.settings import with_settings
from bench.training.workload import NamedMethod
from tests.conftest import ROOT
from tests.report.synthetic import write_run


def claim(benchmark: str, method: str, variant: str) -> Claim:
    keys = (benchmark, method, variant)
    return next(c for c in claims_file.published_claims() if (c.benchmark, c.method, c.variant) == keys)


PAPER = claim("omniglot-5w1s", "maml", "paper")
RAVI = claim("miniimagenet-5w5s", "finetune", "Ravi & Larochelle")


def cell(results: Path, **what: object) -> Cell:
    """Writes runs with these properties, three seeds by default, and returns their cell."""
    for seed in range(int(what.pop("seeds", 3))):
        write_run(results, seed=seed, **what)
    (found,), problems = pool(records.read_all(results)[0])
    assert not problems
    return found


def test_judged(tmp_path: Path) -> None:
    found = judge(PAPER, cell(tmp_path, accuracy=0.80))
    assert found.verdict == "differs" and found.reasons == () and found.difference < -15
    assert found.smallest_half_width is not None and "split of the characters is unknown" in found.why


def test_a_split_in_the_authors_code_is_known(tmp_path: Path) -> None:
    snell = claim("omniglot-5w1s", "protonet", "paper")
    found = judge(snell, cell(tmp_path, method="protonet", preset="snell"))
    assert found.reasons == () and "split of the characters" not in found.why


@pytest.mark.parametrize("said", [(), ("shots=1",)])
def test_a_shape_that_is_the_benchmark_s_need_not_be_said(tmp_path: Path, said: tuple[str, ...]) -> None:
    claims = [c for c in claims_file.published_claims() if (c.benchmark, c.accuracy) == ("omniglot-5w1s", 97.4)]
    of = cell(tmp_path, method="protonet", preset="snell", settings=("ways=5", "queries=15", *said))
    assert [judge(each, of).reasons for each in claims] == [()]


def test_agrees(tmp_path: Path) -> None:
    of = cell(tmp_path, accuracy=0.95, seeds=5)
    near = replace(PAPER, accuracy=float(of.headline.value), margin=5.0)
    assert judge(near, of).verdict == "agrees" and "lies within ±5" in judge(near, of).why


def test_near_the_ceiling_a_margin_is_said_of_the_error(tmp_path: Path) -> None:
    of = cell(tmp_path, accuracy=1.0, seeds=5)
    near = replace(PAPER, accuracy=float(of.headline.value), margin=5.0)
    error = 100 - near.accuracy
    said = f"which for an error of {error:.2f} % means one from 0.00 to {error + 5:.2f} %"
    assert judge(near, of).verdict == "agrees" and said in judge(near, of).why
    assert "which for an error" not in judge(replace(near, accuracy=70.0), of).why


def test_a_claim_too_wide_for_its_margin_says_so(tmp_path: Path) -> None:
    of = cell(tmp_path, accuracy=0.95)
    wide = judge(replace(PAPER, accuracy=float(of.headline.value), ci95=5.0), of)
    assert wide.verdict == "inconclusive" and "the published ± is too wide to decide" in wide.why


def test_more_test_episodes_and_other_validation_do_not_disqualify(tmp_path: Path) -> None:
    of = cell(tmp_path, settings=("episodes=1000", "validations=5", "validation_episodes=20", "finetune_steps=3"))
    assert judge(PAPER, of).reasons == () and of.described == "paper, episodes=1000"


def test_what_would_decide_is_said(tmp_path: Path) -> None:
    of = cell(tmp_path, accuracy=0.95)
    near = judge(replace(PAPER, accuracy=float(of.headline.value) + 0.7), of)
    seeds = near.needed["seeds"]
    assert near.verdict == "inconclusive" and seeds is not None and f"{seeds:,} seeds" in near.why
    assert f"{seeds:,} seeds" in would_decide(near.needed)


@pytest.mark.parametrize(
    ("needed", "said"),
    [
        ({"seeds": 7, "episodes": 2400}, "7 seeds or 2,400 episodes would decide it, all else being equal"),
        (
            {"seeds": 7, "episodes": None},
            "7 seeds would decide it, all else being equal; more episodes alone would not",
        ),
        ({"episodes": None}, "the published ± is too wide to decide"),
    ],
)
def test_the_words_of_what_would_decide(needed: dict[str, int | None], said: str) -> None:
    assert would_decide(needed) == said


AUTHORS = {
    "files": {
        "a": "f7e14e6f544371a562441d378f4bc5765431008400cc07a16ad5ed488ea9dea0",
        "b": "1aa0796e828abfecda13d14b8edae381ec2fc00b190a0aee985d05dba4814c4f",
    },
    "name": "the authors' weights",
}


def elsewhere(results: Path, *settings: str, origin: dict[str, Any] = AUTHORS) -> Cell:
    """The cell of weights that were trained elsewhere and evaluated with these settings."""
    what = {"benchmark": "miniimagenet-5w1s", "accuracy": 0.487, "origin": origin}
    return cell(results, settings=("iterations=59000", *settings), seeds=1, **what)


FINN_1 = claim("miniimagenet-5w1s", "maml", "paper")


def test_the_claims_own_weights_are_judged_from_one_model(tmp_path: Path) -> None:
    of = elsewhere(tmp_path)
    found = judge(FINN_1, of)
    expected = statistics.difference_of_same_weights(of.scores[0], 48.70, 1.84, 600)
    assert found.reasons == () and found.interval == pytest.approx(expected.interval())
    assert found.smallest_half_width == pytest.approx(1.647 * 1.84 / 1.96, abs=1e-3)
    assert "one trained model" in found.why and "iteration 59000" in found.why and not of.demonstration
    assert of.described == "the authors' weights, trained elsewhere: paper, iterations=59000"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (("evaluation.queries=15",), "evaluation.queries 15, not 1"),
        (("evaluation.batch_statistics=support",), "evaluation.batch_statistics support, not batch"),
    ],
)
def test_only_where_the_evaluation_is_the_claims(tmp_path: Path, settings: tuple[str, ...], reason: str) -> None:
    assert judge(FINN_1, elsewhere(tmp_path, *settings)).reasons == (reason,)


def test_other_peoples_weights_are_not_the_claims(tmp_path: Path) -> None:
    unknown = {"files": {"a": 64 * "0"}, "name": "checkpoint model59000"}
    found = judge(FINN_1, elsewhere(tmp_path / "a", origin=unknown))
    assert "not known to be the claim's" in found.why and found.verdict == NOT_JUDGED
    other = claim("miniimagenet-5w1s", "maml", "CloserLook Conv4-64")
    assert "not known to be the claim's" in judge(other, elsewhere(tmp_path / "b")).why


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ({"seeds": 2}, "2 seeds, but 3 are needed"),
        ({"settings": ("iterations=2000",)}, "iterations 2000, not 60000"),
        ({"settings": ("evaluation.queries=15",)}, "evaluation.queries 15, not 1"),
        ({"settings": ("meta_batch=4",)}, "meta_batch 4, not 32"),
        ({"settings": ("clip=1",)}, "clip 1, not none"),
        ({"settings": ("ways=10",)}, "ways 10, not 5"),
        ({"settings": ("evaluation.batch_statistics=support",)}, "evaluation.batch_statistics support, not batch"),
        ({"settings": ("weights=best",)}, "weights best, not last"),
        ({"data": {"partial": True}}, "another data set: only some classes of omniglot"),
        ({"data": {"name": "shapes"}}, "another data set: shapes, not omniglot"),
    ],
)
def test_what_disqualifies_is_said(tmp_path: Path, what: dict[str, object], reason: str) -> None:
    found = judge(PAPER, cell(tmp_path, **what))
    assert found.verdict == "not judged" and found.reasons == (reason,) and found.why == reason
    assert found.interval is None and found.smallest_half_width is None


@pytest.mark.parametrize(
    ("lost", "reason"),
    [
        (
            {"ci95": None, "tasks": None, "queries_per_class": None},
            "the claim has no interval, and its number of test episodes and queries is unknown",
        ),
        (
            {"ci_meaning": "over trainings", "queries_per_class": None},
            "the claim has no interval (its ± is over an unknown number of trainings),"
            " and its number of queries is unknown",
        ),
        (
            {"ci_meaning": "", "tasks": None},
            "the claim has no interval (the meaning of its ± is unknown), and its number of test episodes is unknown",
        ),
        ({"tasks": None}, "the claim's number of test episodes is unknown"),
        ({"margin": None}, "the claim has no margin"),
        ({"protocol": "", "iterations": None}, "the claim's protocol is unknown"),
    ],
)
def test_what_a_claim_lacks_is_said(tmp_path: Path, lost: dict[str, Any], reason: str) -> None:
    assert judge(replace(PAPER, **lost), cell(tmp_path)).reasons == (reason,)


def test_a_claim_is_held_against_the_iteration_evaluated(tmp_path: Path) -> None:
    of = cell(tmp_path, settings=("iterations=75000",), iteration=60_000)
    assert judge(PAPER, of).reasons == ()
    assert judge(replace(PAPER, iterations=75_000), of).reasons == ("iterations 60000, not 75000",)


@pytest.mark.parametrize(
    ("total", "reasons"), [(100_000, ()), (200_000, ("iterations 200000, not 100000",))], ids=["as long", "longer"]
)
def test_under_a_schedule_to_the_end_the_total_number_counts_as_well(
    tmp_path: Path, total: int, reasons: tuple[str, ...]
) -> None:
    how = {"benchmark": "miniimagenet-5w1s", "method": "reptile", "preset": "nichol", "iteration": 100_000}
    of = cell(tmp_path, settings=(f"iterations={total}",), **how)
    assert judge(claim("miniimagenet-5w1s", "reptile", "paper"), of).reasons == reasons


def test_what_the_article_does_not_print_counts_as_not_known(tmp_path: Path) -> None:
    of = cell(tmp_path, benchmark="miniimagenet-5w5s", preset="article")
    found = judge(claim("miniimagenet-5w5s", "maml", "article 75000 iterations"), of)
    assert of.described == "article" and found.verdict == "not judged"
    assert len(found.reasons) == 1 and "inner_lr" in found.why and "unknown (assumed here)" in found.why


def planned(claim: Claim) -> list[PlannedCell]:
    """The cells that a claim's command would give."""
    asked = command(claim).partition("--method")[2].replace("--iterations ", "--set iterations=").split()
    used = NamedMethod(claim.method).settings
    preset = presets.preset(claim.preset, claim.about, used)
    protocol = with_settings(preset, [word for at, word in enumerate(asked) if asked[at - 1] == "--set"])
    full = protocol.training.iterations
    reported = (full, *presets.milestones(claim.preset, claim.about, full))
    whole = {"name": claim.about.source, "partial": False}
    return [PlannedCell(claim.about, used, protocol, (0, 1, 2, 3, 4), whole, (at,)) for at in reported]


def test_a_command_gives_the_verdict_that_it_is_said_to_give() -> None:
    """Of every published number with a protocol: where any run can be judged, its own command's."""
    known = [each for each in claims_file.published_claims() if each.protocol]
    reasons = {each: min((disqualified_by(each, cell) for cell in planned(each)), key=len) for each in known}
    assert {each: found for each, found in reasons.items() if found != against_any_run(each)} == {}
    assert {each.preset for each, found in reasons.items() if found} == {"article", "raghu"}


def fine_tuned(results: Path, *settings: str) -> Judgement:
    return judge(
        RAVI, cell(results, benchmark="miniimagenet-5w5s", method="finetune", preset="ravi", settings=settings)
    )


def test_settings_of_fine_tuning_concern_fine_tuning(tmp_path: Path) -> None:
    judged = fine_tuned(tmp_path / "a")
    assert judged.reasons == () and judged.verdict != NOT_JUDGED
    assert "adapt head, not all" in fine_tuned(tmp_path / "b", "adapt=head").reasons


def test_best_weights_of_several_iterations_are_one_cell(tmp_path: Path) -> None:
    for seed, iteration in enumerate((400, 800, 600)):
        write_run(tmp_path, seed=seed, settings=("weights=best",), iteration=iteration)
    (found,), _ = pool(records.read_all(tmp_path)[0])
    assert found.iterations == (400, 600, 800)
    assert "iterations 400 to 800, not 60000" in judge(PAPER, found).reasons


def of_own_benchmark(cells: Iterable[Cell]) -> list[Cell]:
    """The cells that were tested on the benchmark on which they were trained."""
    return [cell for cell in cells if cell.benchmark == cell.trained_on]


def test_stored_records_of_queries_by_class_are_still_judged() -> None:
    """Of a method that ships, whose scores do not depend on the order (tests/methods/test_contract.py); of another one,
    nobody knows, and none is pooled with later ones."""
    folder = ROOT / "results" / "reference" / "omniglot-5w1s" / "maml"
    found = [records.read(path) for path in sorted(folder.glob("*/seed*")) if (path / "record.json").exists()]
    paper = replace(presets.paper(get("omniglot-5w1s")).training, meaning=1)
    full = [record for record in found if record.training == paper]
    cells, problems = pool(full)
    (stored,) = of_own_benchmark(cells)
    assert len(full) == 3 and not problems and stored.described == "paper, queries by class"
    assert judge(PAPER, stored).verdict == "agrees"

    later = replace(paper, meaning=2)
    now = [replace(r, training=later, path=r.path.parents[1] / "later" / r.path.name) for r in full]
    assert [len(each.seeds) for each in of_own_benchmark(pool([*full, *now])[0])] == [3, 3]
    code = {"code": {"file": "maml.py", "sha256": "0" * 64}}
    own = Cell(tuple((replace(r, info=r.info | code), evaluated) for r, evaluated in stored.runs))
    assert disqualified_by(PAPER, own) == ["meaning 1, not 2", "evaluation.meaning 1, not 2"]
