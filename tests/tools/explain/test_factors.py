"""The factors between two protocols, and their share of the total effect."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.analysis import paired_tests
from bench.errors import UserError
from bench.protocols import benchmarks, presets
from bench.protocols.settings import settings_of, with_values
from bench.runs import used_settings
from bench.tools.explain.effects import PAIR, Effect, effects
from bench.tools.explain.effects import values as sizes
from bench.tools.explain.factors import FROM, READING, TO, Comparison, compare
from bench.tools.explain.grouping import GROUPS
from bench.tools.explain.pairs import most_apart, with_pairs
from bench.tools.explain.tables import variants as shown_variants
from bench.training.workload import NamedMethod

OMNIGLOT, FIRST = benchmarks.get("omniglot-5w1s"), benchmarks.get("miniimagenet-5w5s")
ENDS = ("article", "paper")
NORM = tuple(name for name in GROUPS["batch_norm"] if name != "batch_norm_gamma")  # starts alike at both ends


def variants(comparison: Comparison) -> dict[str, object]:
    return {variant.name: variant for variant in comparison.variants}


def factors(comparison: Comparison, kind: str) -> list[str]:
    return [part.factor.name for part in comparison.parts if part.kind == kind]


def test_groups_are_of_settings_that_exist() -> None:
    known = settings_of(presets.paper(FIRST))
    members = [name for names in GROUPS.values() for name in names]
    assert set(members) <= set(known) and len(set(members)) == len(members)


def test_the_factors_between_article_and_paper() -> None:
    found = compare(OMNIGLOT, "maml", ENDS)
    assert factors(found, FROM) == [
        "iterations", "meta_batch", "queries", "inner_loop", "initialisation", "batch_norm",
        "evaluation.queries", "evaluation.inner_steps",
    ]  # fmt: skip
    assert factors(found, TO) == [] and factors(found, READING) == ["meta_update"] and found.whole
    assert {variant.protocol.evaluation.episodes for variant in found.variants} == {1000}
    (norm,) = [part for part in found.parts if part.factor.name == "batch_norm"]
    assert norm.factor.settings == NORM and "batch_norm_epsilon 1e-05 (assumed) -> 0.001" in norm.change


def test_what_a_method_ignores_is_no_factor() -> None:
    """MAML trains on episodes, and knows nothing of the Baseline's batches of images."""
    found = {}
    for name in ("maml", "finetune"):
        used, ignored = (told(NamedMethod(name)) for told in (used_settings.moved_by, used_settings.ignored_by))
        found[name] = set(factors(compare(OMNIGLOT, name, ("paper", "chen"), used=used, ignored=ignored), FROM))
    assert {"image_batch", "image_order"} <= found["finetune"] - found["maml"] and "initialisation" in found["maml"]


@pytest.mark.parametrize("name", [name for name in benchmarks.BENCHMARKS if not name.startswith("sinusoid")])
@pytest.mark.parametrize("method", ["maml", "finetune"])
@pytest.mark.parametrize("ends", [("article", "paper"), ("paper", "ravi"), ("quick", "article")])
def test_all_factors_together_lead_from_one_end_to_the_other(ends: tuple[str, str], method: str, name: str) -> None:
    settings, used = ["validations=2", "validation_episodes=2"], NamedMethod(method).settings
    found = compare(benchmarks.get(name), method, ends, settings, direction="both", used=used)
    start, end = found.start, found.end
    assert factors(found, FROM) == factors(found, TO)
    for one, other in ((start, end), (end, start)):
        every = {name for part in found.parts if part.kind == FROM for name in part.factor.settings}
        tuning = {name for name in settings_of(one.protocol) if name.startswith("finetune_") or name == "adapt"}
        unused = {"maml": tuning, "finetune": {"inner_lr", "inner_steps", "evaluation.inner_steps"}}[method]
        moved = settings_of(with_values(one.protocol, {name: other.values[name] for name in every}))
        differ = {name for name in moved if moved[name] != other.values[name]}
        assert differ <= unused and every.isdisjoint(unused)


def test_each_cell_differs_in_its_factor_alone() -> None:
    found = compare(OMNIGLOT, "maml", ENDS, ["iterations=50"], direction="both")
    by_name, ends = variants(found), {"article": found.start, "paper": found.end}
    for part in found.parts:
        variant, base = (part.plus, part.minus) if part.kind != TO else (part.minus, part.plus)
        moved, before = settings_of(by_name[variant].protocol), ends[base].values
        assert {name for name in moved if moved[name] != before[name]} == set(part.factor.settings)
        if part.kind != READING:
            other = ends["paper" if base == "article" else "article"]
            assert all(moved[name] == other.values[name] for name in part.factor.settings)
    assert "iterations" not in factors(found, FROM) + factors(found, TO)


def test_fewer_iterations_are_an_earlier_evaluation_of_the_same_training() -> None:
    found = variants(compare(FIRST, "maml", ENDS, direction="both"))
    shorter, longer = found["article with paper's iterations"], found["paper with article's iterations"]
    assert (shorter.protocol, shorter.at) == (found["article"].protocol, 60_000)
    assert (longer.protocol.training.iterations, longer.at) == (75_000, None)
    best = variants(compare(FIRST, "maml", ENDS, ["weights=best"]))["article with paper's iterations"]
    assert (best.protocol.training.iterations, best.at) == (60_000, None)


@pytest.mark.parametrize("ends", [("article", "paper"), ("paper", "article")])
def test_the_printed_code_is_the_article_s_wherever_it_stands(ends: tuple[str, str]) -> None:
    found = compare(FIRST, "maml", ends)
    (part,) = [part for part in found.parts if part.kind == READING]
    assert (part.plus, part.minus) == ("article with meta_update=episode", "article")
    assert "its printed code steps once an episode" in part.change
    article = presets.preset("article", FIRST)
    expected = replace(article, training=replace(article.training, meta_update="episode"))
    assert variants(found)[part.plus].protocol == expected
    assert all(part.kind != READING for part in compare(FIRST, "maml", ends, ["meta_update=episode"]).parts)


def test_some_factors_only() -> None:
    some = compare(OMNIGLOT, "maml", ENDS, wanted=["batch_norm_epsilon", "inner_lr", "meta_update"])
    assert [part.factor.name for part in some.parts] == ["batch_norm_epsilon", "inner_lr", "meta_update"]
    assert len(some.variants) == 5 and not some.whole
    assert [part.kind for part in compare(OMNIGLOT, "maml", ENDS, wanted=["meta_update"]).parts] == [READING]


def test_the_inner_loop_s_rate_and_steps_are_one_factor() -> None:
    found = compare(OMNIGLOT, "maml", ENDS, direction="both")
    (loop, _) = [part for part in found.parts if part.factor.name == "inner_loop"]
    assert loop.factor.settings == ("inner_lr", "inner_steps") and loop.change == (
        "inner_lr 0.01 (assumed) -> 2, inner_steps 5 (assumed) -> 1"
    )
    values = settings_of(variants(found)[loop.plus].protocol)
    assert (values["inner_lr"], values["inner_steps"], values["evaluation.inner_steps"]) == (2.0, 1, 10)


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (["inner_lr", "inner_steps"], {"inner_lr": ("inner_lr",), "inner_steps": ("inner_steps",)}),
        (["queries+batch_norm"], {"queries+batch_norm": ("queries", *NORM),
                                  "inner_loop": GROUPS["inner_loop"]}),
        (["inner_loop+evaluation.inner_steps"], {
            "inner_loop+evaluation.inner_steps": ("inner_lr", "inner_steps", "evaluation.inner_steps")}),
    ],
)  # fmt: skip
def test_groups_that_are_asked_for(groups: list[str], expected: dict[str, tuple[str, ...]]) -> None:
    found = compare(OMNIGLOT, "maml", ENDS, direction="both", groups=groups)
    by_name = {part.factor.name: part.factor.settings for part in found.parts}
    assert expected.items() <= by_name.items() and found.whole
    settings = [
        name for names in {f.name: f.settings for f in (p.factor for p in found.parts)}.values() for name in names
    ]
    assert len(settings) == len(set(settings))


def test_a_pair_tells_what_two_factors_do_to_one_another() -> None:
    """The effect of both factors together exceeds the sum of their single effects by 70, as with one inner step and its
    learning rate."""
    alone = compare(OMNIGLOT, "maml", ENDS, wanted=["inner_lr", "inner_steps"], direction="both")
    found = with_pairs(alone, ["inner_lr+inner_steps", "inner_steps+inner_lr"])
    (variant,) = [variant for variant in found.variants if variant not in alone.variants]
    values, before = settings_of(variant.protocol), found.start.values
    assert {name for name in values if values[name] != before[name]} == {"inner_lr", "inner_steps"}
    common = np.random.default_rng(0).normal(80, 5, (3, 40))
    total = {"article": 0.0, "article with paper's inner_lr": -11.0, "article with paper's inner_steps": -58.0}
    total |= {variant.name: 1.0, "paper": 2.0, "paper with article's inner_lr": -60.0}
    total |= {"paper with article's inner_steps": -10.0}
    scores = {name: dict(enumerate(common + value)) for name, value in total.items()}
    rows = effects(found, scores)
    (pair,) = [effect for effect in rows if effect.kind == PAIR]
    assert pair.name == "inner_lr x inner_steps" and float(pair.paired.difference.value) == pytest.approx(70.0)
    assert most_apart(alone, sizes(rows), 1) == ["inner_lr+inner_steps"] and most_apart(found, sizes(rows), 1) == []
    every = factors(compare(OMNIGLOT, "maml", ENDS), FROM)
    assert compare(OMNIGLOT, "maml", ENDS, wanted=every[::-1]).whole and not alone.whole
    assert {effect.significant for effect in rows if effect.kind in (FROM, TO, PAIR)} == {"yes"}


def test_the_pairs_that_are_tried_are_of_the_factors_that_act_differently_in_either_place() -> None:
    comparison = compare(OMNIGLOT, "maml", ENDS, ["iterations=5"], direction="both")
    names = factors(comparison, FROM)
    same = {(name, kind): 9.0 for name in names for kind in (FROM, TO)}
    unlike = same | {("queries", FROM): -9.0, ("batch_norm", FROM): 0.0, ("meta_batch", FROM): 8.0}
    assert most_apart(comparison, unlike, 2) == ["queries+batch_norm", "meta_batch+queries"]


def test_an_effect_that_chance_explains_is_not_told_from_none() -> None:
    comparison = compare(OMNIGLOT, "maml", ENDS, wanted=["inner_lr", "queries"])
    scores = scored(comparison, {"inner_lr": 1.0, "queries": -20.0}, together=0)
    noise = np.random.default_rng(6)
    for name in ("article with paper's inner_lr", "article with paper's queries"):
        scores[name] = {seed: row + noise.normal(0, 1) for seed, row in scores[name].items()}
    found = {effect.name: effect for effect in effects(comparison, scores)}
    assert found["inner_lr"].holm > 0.05 and found["inner_lr"].significant == "no"
    assert found["queries"].significant == ("yes" if found["queries"].holm < 0.05 else "no")
    assert found["rest of the gap"].significant == "" == found["paper - article"].significant


@pytest.mark.parametrize(
    ("groups", "pairs", "message"),
    [
        (["inner_rl+queries"], [], "did you mean 'inner_lr'"),
        (["meta_lr+queries"], [], "unknown factor of a group 'meta_lr'"),
        (["queries+meta_batch", "queries"], [], "queries is already in a group"),
        ([], ["queries+metabatch"], "did you mean 'meta_batch'"),
        ([], ["queries"], "write two factors, as a"),
        ([], ["queries+iterations"], "cannot be in a pair"),
    ],
)
def test_groups_and_pairs_that_cannot_be(groups: list[str], pairs: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        with_pairs(compare(OMNIGLOT, "maml", ENDS, groups=groups), pairs)


def test_what_cannot_be_explained_is_one_line() -> None:
    with pytest.raises(UserError, match="did you mean 'inner_lr'"):
        compare(OMNIGLOT, "maml", ENDS, wanted=["inner_rl"])
    with pytest.raises(UserError, match="unknown factor 'episodes'"):
        compare(OMNIGLOT, "maml", ENDS, wanted=["episodes"])
    with pytest.raises(UserError, match="nothing differs"):
        compare(OMNIGLOT, "maml", ("paper", "paper"))


def scored(comparison: Comparison, effect_of: dict[str, float], together: float, seeds: int = 3) -> dict:
    """Scores with seed and episode effects that all variants share; `together` is added when all factors change."""
    generator = np.random.default_rng(3)
    common = 50 + generator.normal(0, 2, (seeds, 1)) + generator.normal(0, 6, (1, 40))
    start = comparison.start.name
    total = {start: 0.0, comparison.end.name: sum(effect_of.values()) + together}
    total |= {part.plus: effect_of[part.factor.name] for part in comparison.parts}
    return {variant: {seed: row for seed, row in enumerate(common + value)} for variant, value in total.items()}


def value(found: list[Effect], name: str) -> float:
    (effect,) = [effect for effect in found if effect.name == name]
    return float(effect.paired.difference.value)


def test_effects_are_paired_and_what_is_left_is_told() -> None:
    comparison = compare(OMNIGLOT, "maml", ENDS, wanted=["inner_lr", "queries", "meta_update"])
    assumed = {"inner_lr": 5.0, "queries": -2.0, "meta_update": 0.0}
    found = effects(comparison, scored(comparison, assumed, together=1.5))
    names = ["paper - article", "inner_lr", "queries", "sum of the parts", "rest of the gap", "meta_update"]
    assert [effect.name for effect in found] == names
    expected = {"paper - article": 4.5, "sum of the parts": 3.0, "rest of the gap": 1.5, **assumed}
    assert {name: value(found, name) for name in names} == pytest.approx(expected)
    for effect in found:  # nothing but seed and episode effects, which pairing takes away
        assert effect.interval == pytest.approx((expected[effect.name],) * 2, abs=1e-9) and effect.seeds == (0, 1, 2)
    assert found[4].change == "interaction, and the factors not asked for"


def test_the_interval_of_an_effect_is_the_paired_one() -> None:
    comparison = compare(OMNIGLOT, "maml", ENDS, wanted=["inner_lr", "queries"])
    scores = scored(comparison, {"inner_lr": 5.0, "queries": -2.0}, together=0)
    noise = np.random.default_rng(4)
    noisy = {c: {s: row + noise.normal(0, 3, row.shape) for s, row in of.items()} for c, of in scores.items()}
    found = {effect.name: effect for effect in effects(comparison, noisy)}
    effect, p_values = found["inner_lr"], [found[name].paired.p_value for name in ("inner_lr", "queries")]
    variant, base = (np.stack(list(noisy[name].values())) for name in ("article with paper's inner_lr", "article"))
    expected = paired_tests.paired_difference(variant, base)
    assert effect.interval == pytest.approx(expected.difference.interval())
    assert effect.paired.p_value == pytest.approx(expected.p_value) and effect.paired.kind == "both"
    assert [found[name].holm for name in ("inner_lr", "queries")] == pytest.approx(paired_tests.holm(p_values))


def test_a_seed_that_diverged_is_in_no_effect_of_its_variant() -> None:
    comparison = compare(OMNIGLOT, "maml", ENDS, wanted=["inner_lr", "queries"])
    scores = scored(comparison, {"inner_lr": 5.0, "queries": -2.0}, together=0)
    del scores["article with paper's queries"][1]
    scores["article with paper's inner_lr"].clear()
    found = {effect.name: effect for effect in effects(comparison, scores)}
    assert found["paper - article"].seeds == (0, 1, 2)
    assert found["queries"].seeds == (0, 2) and found["queries"].paired.kind == "for these models"
    assert found["inner_lr"].paired is None and found["rest of the gap"].paired is None
    table = {row["cell"]: row for row in shown_variants(comparison, (0, 1, 2, 3), scores)}
    assert table["article"]["diverged seeds"] == "3" and table["article"]["covers"] == "episodes + seeds"
    of_queries = table["article with paper's queries"]
    assert (of_queries["diverged seeds"], of_queries["covers"]) == ("1, 3", "these weights only")
    assert table["article with paper's inner_lr"]["diverged seeds"] == "0, 1, 2, 3"


def test_the_interval_of_a_cell_stays_within_what_can_be() -> None:
    comparison = compare(OMNIGLOT, "maml", ENDS, wanted=["inner_lr"])
    scores = {variant.name: {0: np.array([100.0, 94.0]), 1: np.array([98.0, 80.0])} for variant in comparison.variants}
    row = shown_variants(comparison, (0, 1), scores)[0]
    assert row["95 % interval"].endswith("to 100.00") and "these weights only" in row["covers"]


def test_more_iterations_are_the_other_end_s_training() -> None:
    """If nothing else differs: validations do not change the last weights."""
    found = compare(OMNIGLOT, "maml", ("quick", "paper"))
    assert variants(found)["quick with paper's iterations"].protocol.training == found.end.protocol.training
