"""Protocols: their values, their hashes, and what `--set` may change."""

from __future__ import annotations

from dataclasses import asdict, fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import UserError
from bench.protocols import benchmarks, presets, protocol
from bench.protocols.settings import (
    differences,
    from_fields,
    setting_of_evaluation,
    settings_of,
    with_settings,
    with_values,
)
from bench.training.workload import NamedMethod
from methods import contract


def paper(name: str) -> protocol.Protocol:
    return presets.preset("paper", benchmarks.get(name))


@pytest.mark.parametrize(
    ("name", "meta_batch", "inner_lr", "steps", "test_steps", "queries", "test_queries", "clip"),
    [  # protocols.md, the table of settings and detail 1; Omniglot is trained with 1 shot
        ("omniglot-5w1s", 32, 2.0, 1, 3, 1, 1, None),
        ("omniglot-5w5s", 32, 2.0, 1, 3, 1, 5, None),
        ("omniglot-20w1s", 16, 2.0, 5, 5, 1, 1, None),
        ("omniglot-20w5s", 16, 2.0, 5, 5, 1, 5, None),
        ("miniimagenet-5w1s", 4, 0.05, 5, 10, 15, 1, 10 / 75),
        ("miniimagenet-5w5s", 2, 0.05, 5, 10, 15, 5, 10 / 15),
    ],
)
def test_the_paper(name, meta_batch, inner_lr, steps, test_steps, queries, test_queries, clip) -> None:
    training, evaluation = paper(name).training, paper(name).evaluation
    assert (training.meta_batch, training.inner_steps, training.queries) == (meta_batch, steps, queries)
    assert training.inner_lr == pytest.approx(inner_lr)
    assert training.clip == (clip if clip is None else pytest.approx(clip))
    assert (evaluation.inner_steps, evaluation.queries, evaluation.episodes) == (test_steps, test_queries, 600)
    assert (training.iterations, training.meta_lr, training.batch_norm_scale) == (60_000, 1e-3, False)


@pytest.mark.parametrize("name", benchmarks.BENCHMARKS)
def test_quick_differs_from_the_paper_in_its_size_alone(name: str) -> None:
    benchmark = benchmarks.get(name)
    quick, full = presets.quick(benchmark), presets.paper(benchmark)
    allowed = {"iterations", "validations", "validation_episodes"}
    assert set(differences(quick.training, full.training)) <= allowed
    assert set(differences(quick.evaluation, full.evaluation)) <= {"episodes"}


@pytest.mark.parametrize(
    ("name", "preset"), [(b.name, preset) for b in benchmarks.BENCHMARKS.values() for preset in presets.names(b)]
)
def test_a_record_gives_the_protocol_back(preset: str, name: str) -> None:
    made = presets.preset(preset, benchmarks.get(name))
    for part in (made.training, made.evaluation):
        assert from_fields(type(part), asdict(part)) == part


@pytest.mark.parametrize("name", benchmarks.BENCHMARKS)
def test_the_last_iteration_is_evaluated_on_the_batch_in_hand(name: str) -> None:
    """protocols.md, details 2, 5 and 7: no early stopping, transductive at test too, NEAREST."""
    training, evaluation = paper(name).training, paper(name).evaluation
    assert (evaluation.weights, training.batch_statistics, evaluation.batch_statistics) == ("last", "batch", "batch")
    assert (training.resize, training.meta_update, training.batch_norm_adapted) == ("nearest", "meta-batch", False)
    assert training.batch_norm_epsilon == 1e-3


def test_the_article() -> None:
    """The values in the article's table in protocols.md."""
    made = presets.preset("article", benchmarks.get("miniimagenet-5w5s"))
    training, evaluation = made.training, made.evaluation
    assert (training.filters, training.downsampling, training.head_input) == (32, "max-pool", "flatten")
    assert (training.batch_norm_scale, training.batch_norm_adapted, training.queries) == (True, True, 15)
    assert (training.meta_batch, training.meta_update, training.iterations) == (2, "meta-batch", 75_000)
    assert (training.inner_lr, training.inner_steps, training.meta_lr, training.clip) == (0.01, 5, 1e-3, None)
    assert (training.initialisation, training.batch_norm_epsilon) == ("pytorch", 1e-5)
    assert (evaluation.episodes, evaluation.queries, evaluation.inner_steps) == (1000, 15, 10)


def test_the_article_evaluates_one_training_twice_and_can_be_read_in_two_ways() -> None:
    benchmark = benchmarks.get("miniimagenet-5w5s")
    assert presets.milestones("article", benchmark, 75_000) == (60_000,)
    assert presets.milestones("article", benchmark, 60_000) == presets.milestones("paper", benchmark, 60_000) == ()
    printed = with_values(presets.preset("article", benchmark), presets.READINGS["article"])
    assert printed.training == replace(presets.preset("article", benchmark).training, meta_update="episode")


def test_ravi_trains_one_classifier_for_every_number_of_shots() -> None:
    """The authors' code: config/baselines/train-pre-trained-SGD.lua, model/matching-net-classifier.lua, and Torch's
    layers."""
    training, other = (presets.preset("ravi", benchmarks.get(f"miniimagenet-5w{shots}s")).training for shots in (5, 1))
    assert training == other
    assert (training.iterations, training.image_batch, training.filters, training.meta_lr) == (30_000, 64, 64, 1e-3)
    assert (training.batch_norm_gamma, training.batch_norm_epsilon) == ("uniform", 1e-3)
    assert (training.initialisation, training.clip, training.validations) == ("pytorch", None, 0)


def test_values_by_the_names_of_settings() -> None:
    made = paper("tiny")
    values = settings_of(made)
    assert values["queries"] == made.training.queries and "meaning" not in values
    assert with_values(made, values) == made
    changed = with_values(made, {"evaluation.queries": 7, "episodes": 9, "queries": 2})
    assert (changed.evaluation.queries, changed.evaluation.episodes, changed.training.queries) == (7, 9, 2)
    assert setting_of_evaluation("queries") == "evaluation.queries"
    assert setting_of_evaluation("weights") == "weights"


def test_the_hash_is_of_the_values() -> None:
    made = paper("omniglot-5w1s").training
    assert protocol.training_hash(made, "d") == protocol.training_hash(replace(made), "d")
    assert protocol.training_hash(made, "d") != protocol.training_hash(made, "e")
    for name, value in asdict(made).items():
        other = {"max-pool": "stride", "stride": "max-pool"}.get(value, value)
        if isinstance(value, bool):
            other = not value
        elif isinstance(value, int | float):
            other = value + 1
        if other != value:
            assert protocol.training_hash(replace(made, **{name: other}), "d") != protocol.training_hash(made, "d"), (
                name
            )


def test_settings_reach_their_part() -> None:
    made = with_settings(paper("tiny"), ["queries=3", "evaluation.queries=4", "adapt=head", "clip=none", "inner_lr=1"])
    assert (made.training.queries, made.evaluation.queries, made.evaluation.adapt) == (3, 4, "head")
    assert made.training.clip is None and made.training.inner_lr == 1.0


@pytest.mark.parametrize(
    "text",
    [
        "meaning=2",
        "precision=fp16",
        "filters=0",
        "inner_lr=inf",
        "inner_lr=nan",
        "finetune_lrs=",
        "evaluation.filters=3",
    ],
)
def test_settings_are_validated(text: str) -> None:
    with pytest.raises(UserError):
        with_settings(paper("tiny"), [text])


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_a_setting_or_a_clear_error(text: str) -> None:
    try:
        with_settings(paper("tiny"), [text, f"inner_lr={text}", f"finetune_lrs={text}"])
    except UserError as error:
        assert error.args[0]


def test_a_field_that_came_later_leaves_the_hashes_of_what_was_before() -> None:
    """Golden hashes: records of all earlier versions are stored under these, whatever fields were added since."""
    omniglot, mini_imagenet = paper("omniglot-5w1s"), paper("miniimagenet-5w5s")
    for meaning, *wanted in ((1, "a0690b49", "b8e161b1", "85ef9dd7"), (2, "8a2ce4bf", "b55162a5", "b9f2e776")):
        trained = [replace(each.training, meaning=meaning) for each in (omniglot, mini_imagenet)]
        evaluation = replace(mini_imagenet.evaluation, meaning=meaning)
        hashes = [*(protocol.training_hash(each, "d") for each in trained), protocol.evaluation_hash(evaluation)]
        assert hashes == wanted


def test_methods_declare_the_settings_that_they_use() -> None:
    assert (contract.INNER_LOOP, contract.FINE_TUNING) == (protocol.INNER_LOOP, protocol.FINE_TUNING)
    known = {field.name for part in (protocol.Training, protocol.Evaluation) for field in fields(part)}
    assert set(protocol.OF_SOME_METHODS) <= known
    declared = {name: NamedMethod(name).settings for name in ("maml", "anil", "finetune", "oracle", "nearest")}
    assert declared == {
        "maml": protocol.INNER_LOOP, "anil": protocol.INNER_LOOP, "finetune": protocol.FINE_TUNING,
        "oracle": ("finetune_steps", "finetune_lrs", "finetune_episodes"), "nearest": (),
    }  # fmt: skip


def test_a_setting_that_a_method_does_not_use_is_no_difference() -> None:
    ours = paper("miniimagenet-5w5s")
    theirs = with_settings(ours, ["inner_lr=0.3", "finetune_steps=3", "clip=none"])
    for used, wanted in ((protocol.INNER_LOOP, {"inner_lr"}), (protocol.FINE_TUNING, {"finetune_steps"}), ((), set())):
        assert set(presets.protocol_differences(used, ours, theirs)) == wanted | {"clip"}
