"""What a claim is held against, and what keeps a run from being judged by it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench import claims, records
from bench.claims import Claim
from bench.report.cells import Cell
from bench.report.claimed import NOT_JUDGED, Held, held
from bench.report.grouping import grouped
from tests.report.synthetic import write_run


def claim(benchmark: str, method: str, variant: str) -> Claim:
    keys = (benchmark, method, variant)
    return next(c for c in claims.published() if (c.benchmark, c.method, c.variant) == keys)


PAPER = claim("omniglot-5w1s", "maml", "paper")
RAVI = claim("miniimagenet-5w5s", "finetune", "Ravi & Larochelle")


def cell(results: Path, **what: object) -> Cell:
    """The one cell of three seeds written so."""
    for seed in range(int(what.pop("seeds", 3))):
        write_run(results, seed=seed, **what)
    (found,), problems = grouped(records.read_all(results)[0])
    assert not problems
    return found


def test_judged(tmp_path: Path) -> None:
    found = held(PAPER, cell(tmp_path, accuracy=0.80))
    assert found.verdict == "differs" and found.reasons == () and found.difference < -15
    assert found.smallest_half_width is not None and "split of the characters is not known" in found.why


def test_agrees(tmp_path: Path) -> None:
    of = cell(tmp_path, accuracy=0.95, seeds=5)
    near = replace(PAPER, accuracy=float(of.headline.value), margin=5.0)
    assert held(near, of).verdict == "agrees" and "lies within ±5" in held(near, of).why


def test_a_claim_too_wide_for_its_margin_says_so(tmp_path: Path) -> None:
    of = cell(tmp_path, accuracy=0.95)
    wide = held(replace(PAPER, accuracy=float(of.headline.value), ci95=5.0), of)
    assert wide.verdict == "inconclusive" and "no number of seeds would make this claim agree" in wide.why


def test_more_test_episodes_and_other_validation_do_not_disqualify(tmp_path: Path) -> None:
    of = cell(tmp_path, settings=("episodes=1000", "validations=5", "validation_episodes=20", "finetune_steps=3"))
    assert held(PAPER, of).reasons == () and of.described == "paper, episodes=1000"


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ({"seeds": 2}, "2 seeds, and 3 are needed"),
        ({"settings": ("iterations=2000",)}, "iterations 2000, not 60000"),
        ({"settings": ("evaluation.queries=15",)}, "evaluation.queries 15, not 1"),
        ({"settings": ("meta_batch=4",)}, "meta_batch 4, not 32"),
        ({"settings": ("clip=1",)}, "clip 1, not none"),
        ({"settings": ("evaluation.batch_statistics=support",)}, "evaluation.batch_statistics support, not batch"),
        ({"settings": ("weights=best",)}, "weights best, not last"),
        ({"data": {"partial": True}}, "another data set: a part of the classes of omniglot"),
        ({"data": {"name": "shapes"}}, "another data set: shapes, not omniglot"),
    ],
)
def test_what_disqualifies_is_said(tmp_path: Path, what: dict[str, object], reason: str) -> None:
    found = held(PAPER, cell(tmp_path, **what))
    assert found.verdict == "not judged" and found.reasons == (reason,) and found.why == reason
    assert found.interval is None and found.smallest_half_width is None


@pytest.mark.parametrize(
    ("lost", "reason"),
    [
        ({"ci95": None}, "the claim has no interval"),
        ({"tasks": None}, "the claim has no number of test episodes"),
        ({"margin": None}, "the claim has no margin"),
        ({"protocol": "", "iterations": None}, "the claim's protocol is not known"),
    ],
)
def test_what_a_claim_lacks_is_said(tmp_path: Path, lost: dict[str, None], reason: str) -> None:
    assert held(replace(PAPER, **lost), cell(tmp_path)).reasons == (reason,)


def test_a_claim_is_held_against_the_iteration_evaluated(tmp_path: Path) -> None:
    of = cell(tmp_path, settings=("iterations=75000",), iteration=60_000)
    assert held(PAPER, of).reasons == ()
    assert held(replace(PAPER, iterations=75_000), of).reasons == ("iterations 60000, not 75000",)


def test_what_the_article_does_not_print_counts_as_not_known(tmp_path: Path) -> None:
    of = cell(tmp_path, benchmark="miniimagenet-5w5s", preset="article")
    found = held(claim("miniimagenet-5w5s", "maml", "article 75000 iterations"), of)
    assert of.described == "article" and found.verdict == "not judged"
    assert len(found.reasons) == 1 and "inner_lr" in found.why and "not known (assumed)" in found.why


def fine_tuned(results: Path, *settings: str) -> Held:
    return held(RAVI, cell(results, benchmark="miniimagenet-5w5s", method="finetune", preset="ravi", settings=settings))


def test_settings_of_fine_tuning_concern_fine_tuning(tmp_path: Path) -> None:
    judged = fine_tuned(tmp_path / "a")
    assert judged.reasons == () and judged.verdict != NOT_JUDGED
    assert "adapt head, not all" in fine_tuned(tmp_path / "b", "adapt=head").reasons


def test_best_weights_of_several_iterations_are_one_cell(tmp_path: Path) -> None:
    for seed, iteration in enumerate((400, 800, 600)):
        write_run(tmp_path, seed=seed, settings=("weights=best",), iteration=iteration)
    (found,), _ = grouped(records.read_all(tmp_path)[0])
    assert found.iterations == (400, 600, 800)
    assert "iterations 400 to 800, not 60000" in held(PAPER, found).reasons
