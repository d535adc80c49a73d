"""The rules that every registered method must keep."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils._pytree import tree_map

from bench.data import store
from bench.data.images import ImageSet
from bench.episodes.images import ImageEpisodes
from bench.protocols import presets
from bench.protocols.benchmarks import Benchmark, get
from bench.protocols.protocol import BY_CLASS, MEANING, Protocol
from bench.tools.check.rules import RULES, Rule, violation
from bench.tools.check.suite import forms
from bench.tools.check.toy_data import Subject
from bench.training import initial
from bench.training.batches import TrainingBatches
from bench.training.evaluation import choose, scores
from bench.training.execution import Execution
from bench.training.workload import NamedMethod, Workload
from methods import METHODS
from methods.contract import State
from tests.conftest import build

CPU = torch.device("cpu")
OF_IMAGES = [name for name, kind in METHODS.items() if kind.needs in (None, "classes")]
TRAINABLE = [name for name in OF_IMAGES if METHODS[name].weights_of is None]


def state_of(name: str, benchmark: Benchmark, protocol: Protocol, seed: int = 0) -> State:
    return initial.initial_state(build(METHODS[name].weights_of or name, benchmark, protocol), seed)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize(("name", "form"), [(name, form) for name, kind in METHODS.items() for form in forms(kind)])
def test_every_method_keeps_every_rule(name: str, form: str, rule: Rule) -> None:
    assert violation(rule, Subject(METHODS[name], form)) is None


@pytest.fixture
def parts(small: Benchmark, noise: ImageSet, tiny_protocol: Protocol):
    return small, tiny_protocol, ImageEpisodes(small, noise, "test", 0, small.episode(tiny_protocol.evaluation.queries))


def test_methods_of_one_seed_start_from_the_same_weights(parts) -> None:
    benchmark, protocol, _ = parts
    states = {name: state_of(name, benchmark, protocol) for name in TRAINABLE}
    for name, state in states.items():
        for key, value in state.params.items():
            if key in states["maml"].params and value.shape == states["maml"].params[key].shape:
                assert torch.equal(value, states["maml"].params[key]), (name, key)
    assert not torch.equal(
        state_of("maml", benchmark, protocol, 1).params["conv1.weight"], states["maml"].params["conv1.weight"]
    )


def test_the_harness_chooses_on_validation_and_keeps_the_first_of_equals(parts) -> None:
    benchmark, protocol, source = parts
    method, state = build("finetune", benchmark, protocol), state_of("finetune", benchmark, protocol)
    execution = Execution(CPU, 100)
    choice = choose(execution, method, state, source, 4, 20)
    table = {s["lr"]: scores(execution, method, state, source, 20, s).mean(0) for s in method.candidates()}
    best = max(means.max() for means in table.values())
    first = next((lr, int(means.argmax())) for lr, means in table.items() if means.max() == best)
    assert (choice.setting["lr"], choice.step, choice.score) == (*first, best)


def test_nearest_finds_the_support_image_itself(parts) -> None:
    benchmark, protocol, source = parts
    method, state = build("nearest", benchmark, protocol), state_of("nearest", benchmark, protocol)
    batch = source.episodes(0, 4)
    outputs = Execution(CPU, 4).predict(method, state, batch._replace(query=batch.support), {})[:, 0]
    assert torch.equal(outputs.argmax(-1), batch.support_labels)
    torch.testing.assert_close(outputs.amax(-1), torch.ones(outputs.shape[:2]))


def reordered(name: str, images: ImageSet, by_class: bool) -> Workload:
    """A method on Omniglot's `tiny` with three queries per class: class by class, or in the episode's order."""
    benchmark = get("tiny")
    protocol = presets.paper(benchmark)
    meaning = BY_CLASS if by_class else MEANING
    training = replace(protocol.training, queries=3, inner_steps=2, meaning=meaning)
    evaluation = replace(protocol.evaluation, queries=3, batch_statistics=METHODS[name].batch_statistics[0])
    both = Protocol(training, replace(evaluation, meaning=meaning))
    return Workload(benchmark=benchmark, method=NamedMethod(name), protocol=both, data=images, device=CPU)


@pytest.mark.parametrize("name", OF_IMAGES)
def test_no_score_of_a_shipped_method_depends_on_the_order_of_the_queries(name: str, data_dir: Path) -> None:
    """Therefore verdicts on records from before the queries were shuffled remain valid (`analysis.verdicts`)."""
    one, other = (reordered(name, store.load("omniglot", data_dir), by_class) for by_class in (True, False))
    execution, found = Execution(CPU, 20), []
    state = state_of(name, one.benchmark, one.protocol)
    generator = torch.Generator().manual_seed(1)
    moved = {key: value + 0.05 * torch.randn(value.shape, generator=generator) for key, value in state.params.items()}
    for mode in METHODS[name].batch_statistics:
        for workload in (one, other):
            evaluation = replace(workload.protocol.evaluation, batch_statistics=mode)
            asked = replace(workload, protocol=replace(workload.protocol, evaluation=evaluation))
            method, stream = asked.build(), asked.stream("test")
            found.append(scores(execution, method, State(moved, state.carried), stream, 40, method.candidates()[0]))
        np.testing.assert_array_equal(found[-1], found[-2])
        assert 0.1 < found[-1].mean() < 1 and found[-1].std() > 0  # of 5 ways: about chance, and not one answer to all
    labels = [workload.stream("test").episodes(0, 40).query_labels for workload in (one, other)]
    assert not torch.equal(*labels)


@pytest.mark.parametrize("name", TRAINABLE)
def test_no_training_of_a_shipped_method_depends_on_the_order_of_the_queries(name: str, data_dir: Path) -> None:
    losses, gradients = [], []
    for by_class in (True, False):
        workload = reordered(name, store.load("omniglot", data_dir), by_class)
        kind = METHODS[name]
        batches = TrainingBatches(kind.training_batch or "", workload.protocol.training, [workload.stream("train")])
        state = tree_map(lambda tensor: tensor[None].double(), workload.initial_state(0))
        batch = tree_map(lambda part: part.double() if part.is_floating_point() else part, batches.batch(batches.at(0)))
        loss, gradient, _ = Execution(CPU, 2).loss_and_gradient(workload.build(), state, batch)
        losses.append(loss), gradients.append(gradient)
    torch.testing.assert_close(*losses, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-8)
