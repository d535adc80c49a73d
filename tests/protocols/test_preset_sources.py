"""The sources of the named protocols' values, and how they are shown."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from bench.protocols import benchmarks, preset_sources, presets
from bench.protocols.comparison import different_settings, every_setting, with_sources
from bench.protocols.settings import settings_of
from tests.conftest import Command, one_line

FIRST = benchmarks.get("miniimagenet-5w5s")


NAMED = [(preset, name) for name in benchmarks.BENCHMARKS for preset in presets.names(benchmarks.get(name))]


@pytest.mark.parametrize(("preset", "name"), NAMED)
def test_every_setting_of_every_preset_has_a_source(preset: str, name: str) -> None:
    benchmark = benchmarks.get(name)
    found = preset_sources.sources(preset, benchmark)
    assert set(found) == set(settings_of(presets.preset(preset, benchmark)))
    assert all(source.where for source in found.values())


def test_what_the_article_does_not_print_is_assumed_and_nothing_else_is() -> None:
    """protocols.md: inner lr, inner steps (train, test), meta-lr, clip, initialisation; and the epsilon, whether the
    meta-lr ever moves, whose it is, and where gamma starts."""
    unprinted = {"inner_lr", "inner_steps", "evaluation.inner_steps", "meta_lr", "clip", "initialisation"}
    assert preset_sources.assumed_settings("article", FIRST) == unprinted | {
        "batch_norm_epsilon",
        "meta_lr_halved_every",
        "meta_lr_final",
        "meta_optimiser",
        "batch_norm_gamma",
    }
    elsewhere = preset_sources.assumed_settings("article", benchmarks.get("omniglot-5w1s"))
    assert elsewhere == preset_sources.assumed_settings("article", FIRST) | {"filters", "downsampling", "head_input"}
    assert all(
        not preset_sources.assumed_settings(preset, benchmarks.get(name))
        for preset, name in NAMED
        if preset not in ("article", "raghu")
    )


def test_what_was_not_read_of_a_paper_is_assumed() -> None:
    """ANIL's appendix was not read: its networks are Finn's, and everything else is assumed to be."""
    benchmark = benchmarks.get("omniglot-20w1s")
    found, assumed = presets.preset("raghu", benchmark), preset_sources.assumed_settings("raghu", benchmark)
    same = presets.paper(benchmark)
    assert replace(found.training, iterations=60_000) == same.training and found.evaluation == same.evaluation
    assert {"inner_lr", "inner_steps", "meta_batch", "iterations", "evaluation.inner_steps"} < assumed
    assert not {"filters", "downsampling", "head_input"} & assumed


@pytest.mark.parametrize("name", benchmarks.BENCHMARKS)
def test_a_converted_value_follows_from_the_source_s_own(name: str) -> None:
    """Detail 1: a learning rate for a loss of n times the mean is n times as large for the mean; a clipping bound is
    1/n."""
    benchmark = benchmarks.get(name)
    found, values = preset_sources.sources("paper", benchmark), settings_of(presets.paper(benchmark))
    own = {setting: source.own for setting, source in found.items() if source.own}
    assert set(own) == {"sinusoid": set(), "mini-imagenet": {"inner_lr", "clip"}}.get(benchmark.source, {"inner_lr"})
    for setting, text in own.items():
        value, factor = map(float, re.fullmatch(r"(\S+), on a loss that is (\d+) times the mean", text).groups())
        assert values[setting] == pytest.approx(value / factor if setting == "clip" else value * factor)


def test_what_differs_is_told_with_both_sources() -> None:
    rows = {
        row["setting"]: row for row in different_settings(with_sources("article", FIRST), with_sources("paper", FIRST))
    }
    assert set(rows) == {
        "iterations", "clip", "inner_lr", "initialisation", "batch_norm_scale", "batch_norm_adapted",
        "batch_norm_epsilon", "episodes", "evaluation.queries",
    }  # fmt: skip
    rate = rows["inner_lr"]
    assert (rate["article"], rate["paper"]) == ("0.01 (assumed)", "0.05")
    assert rate["source of article"].startswith("assumed: ") and "xent" in rate["source of paper"]
    assert "0.01, on a loss that is 5 times the mean" in rate["source of paper"]
    assert rows["batch_norm_scale"]["article"] == "true" and "printed" in rows["batch_norm_scale"]["source of article"]
    assert different_settings(with_sources("paper", FIRST), with_sources("paper", FIRST)) == []


def test_other_images_are_told_to_be_treated_as_the_paper_s_are() -> None:
    own = benchmarks.get("birds-5w2s", {"birds": (3, 84, 84)})
    found = preset_sources.sources("paper", own)
    assert set(found) == set(settings_of(presets.paper(own))) and found["clip"].where.startswith("as on miniImageNet: ")
    assert found["clip"].own == "10, on a loss that is 37.5 times the mean"


def test_what_was_set_has_no_other_source() -> None:
    rows = {row["setting"]: row for row in every_setting(with_sources("article", FIRST, ["inner_lr=0.2"]))}
    assert rows["inner_lr"] == {"setting": "inner_lr", "value": "0.2", "in the source": "", "source": "--set"}
    assert rows["clip"]["value"] == "none (assumed)"


def test_the_commands(typed: Command) -> None:
    shown = typed("show", "protocol", "article")
    assert shown.returncode == 0 and "evaluated after 60000 and 75000 iterations" in shown.stdout
    rate = next(line for line in shown.stdout.splitlines() if line.startswith("inner_lr"))
    assert "0.01 (assumed)" in rate and len(shown.stdout.splitlines()) == 2 + len(settings_of(presets.paper(FIRST)))
    differ = typed("diff", "article", "paper", "--benchmark", "omniglot-5w1s")
    assert "article and paper on omniglot-5w1s: 12 settings differ" in differ.stdout and differ.returncode == 0
    assert len(differ.stdout.splitlines()) == 14
    same = typed("diff", "paper", "paper", "--set", "clip=1")
    assert same.stdout == "paper and paper on miniimagenet-5w5s: 0 settings differ\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("show", "protocol", "articel"), "did you mean 'article'"),
        (("show", "protocol", "paper", "--benchmark", "tinny"), "did you mean 'tiny'"),
        (("diff", "article", "papr"), "did you mean 'paper'"),
        (("diff", "article"), "required"),
        (("diff", "article", "paper", "--benchmark", "sinusoid-5s"), "article is for images"),
        (("diff", "article", "paper", "--set", "clip=-1"), "above 0"),
    ],
)
def test_mistakes(typed: Command, arguments: tuple[str, ...], expected: str) -> None:
    assert expected in one_line(typed(*arguments))
