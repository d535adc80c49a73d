"""What every registered method must keep, whatever it does."""

from __future__ import annotations

import pytest
import torch

from bench.data.images import ImageSet
from bench.episodes.images import ImageEpisodes
from bench.protocols.benchmarks import Benchmark
from bench.protocols.protocol import Protocol
from bench.tools.check.rules import RULES, Rule, broken
from bench.tools.check.suite import forms
from bench.tools.check.toy_data import Subject
from bench.training import initial
from bench.training.evaluation import choose, scores
from bench.training.execution import Execution
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
    assert broken(rule, Subject(METHODS[name], form)) is None


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
