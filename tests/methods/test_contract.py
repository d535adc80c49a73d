"""What every registered method must keep, whatever it does."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from bench import batches, benchmarks, job, streams
from bench.benchmarks import Benchmark
from bench.data.functions import SINUSOIDS
from bench.data.images import ImageSet
from bench.evaluate import choose, scores
from bench.execution import Execution
from bench.protocol import Protocol
from methods import METHODS
from methods.contract import State
from tests.conftest import build, meta_step

CPU = torch.device("cpu")
OF_IMAGES = [name for name, kind in METHODS.items() if kind.needs in (None, "classes")]
OF_FUNCTIONS = [name for name, kind in METHODS.items() if kind.needs != "classes"]
TRAINABLE = [name for name in OF_IMAGES if METHODS[name].weights_of is None]
Case = tuple[str, Benchmark, Protocol]


def state_of(name: str, benchmark: Benchmark, protocol: Protocol, seed: int = 0) -> State:
    return job.initial_state(build(METHODS[name].weights_of or name, benchmark, protocol), seed)


def flat(state: State) -> dict[str, Tensor]:
    return dict(state.params) | dict(state.carried)


@pytest.fixture(params=[*((n, "images") for n in OF_IMAGES), *((n, "functions") for n in OF_FUNCTIONS)])
def case(request, small: Benchmark, tiny_protocol: Protocol, sinusoid_protocol: Protocol) -> Case:
    """Every method on every form of data that it is for."""
    name, form = request.param
    if form == "images":
        return name, small, tiny_protocol
    return name, benchmarks.get("sinusoid-5s"), sinusoid_protocol


def source_of(case: Case, noise: ImageSet, split: str = "test") -> streams.Source:
    name, benchmark, protocol = case
    data = noise if benchmark.form == benchmarks.IMAGES else SINUSOIDS
    queries = protocol.evaluation.queries if split == "test" else protocol.training.queries
    return streams.source(benchmark, data, split, 0, queries, CPU, METHODS[name].needs == "parameters")


@pytest.fixture
def parts(small: Benchmark, noise: ImageSet, tiny_protocol: Protocol):
    return small, tiny_protocol, batches.source(small, noise, "test", 0, tiny_protocol.evaluation.queries, CPU)


@pytest.mark.parametrize("mode", ["batch", "support", "running"])
def test_predictions_have_their_shape_and_do_not_touch_the_weights(case: Case, noise: ImageSet, mode: str) -> None:
    (name, benchmark, protocol), source = case, source_of(case, noise)
    if mode not in METHODS[name].batch_statistics:
        pytest.skip(f"{name} has no {mode} statistics")
    protocol = replace(protocol, evaluation=replace(protocol.evaluation, batch_statistics=mode))
    method, state = build(name, benchmark, protocol), state_of(name, benchmark, protocol)
    before = {key: value.clone() for key, value in flat(state).items()}
    batch = source.episodes(0, 3)
    outputs = Execution(CPU, 2).predict(method, state, batch, method.candidates()[0])
    assert outputs.shape[0] == 3 and outputs.shape[2:] == (batch.query.shape[1], benchmark.ways)
    assert torch.isfinite(outputs).all()
    for key, value in flat(state).items():
        assert torch.equal(value, before[key])


def test_an_episode_does_not_know_its_neighbours(case: Case, noise: ImageSet) -> None:
    (name, benchmark, protocol), source = case, source_of(case, noise)
    method, state = build(name, benchmark, protocol), state_of(name, benchmark, protocol)
    both, alone = source.episodes(0, 2), source.episodes(1, 1)
    execution, setting = Execution(CPU, 2), method.candidates()[0]
    together = execution.predict(method, state, both, setting)[1]
    other = execution.predict(method, state, type(both)(*(part.flip(0) for part in both)), setting)[0]
    torch.testing.assert_close(together, execution.predict(method, state, alone, setting)[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", OF_IMAGES)
def test_the_mode_of_batch_norm_is_what_it_says(parts, name: str) -> None:
    """Inductive: a query's outputs do not change with the other queries. Transductive: they do."""
    benchmark, protocol, source = parts
    state, batch = state_of(name, benchmark, protocol), source.episodes(0, 1)
    others = batch.query.clone()
    others[:, 1:] = others[:, 1:].flip(1)[:, :, :, :, :].roll(3, dims=-1)
    for mode, changes in (("batch", True), ("support", False), ("running", False)):
        if mode in METHODS[name].batch_statistics:
            evaluation = replace(protocol.evaluation, batch_statistics=mode)
            method = build(name, benchmark, replace(protocol, evaluation=evaluation))
            setting = method.candidates()[0]
            here = Execution(CPU, 1).predict(method, state, batch, setting)[:, :, 0]
            there = Execution(CPU, 1).predict(method, state, batch._replace(query=others), setting)[:, :, 0]
            assert torch.allclose(here, there, rtol=1e-5, atol=1e-6) != changes, mode


@pytest.mark.parametrize("name", OF_IMAGES)
def test_untrained_weights_score_at_chance_before_the_first_step(parts, name: str) -> None:
    """On noise nothing can be known, so labels that leak, or are sorted by class, would show."""
    benchmark, protocol, source = parts
    method, state = build(name, benchmark, protocol), state_of(name, benchmark, protocol)
    found = scores(Execution(CPU, 100), method, state, source, 400, method.candidates()[0])[:, 0]
    chance, error = 1 / benchmark.ways, found.std(ddof=1) / len(found) ** 0.5
    assert abs(found.mean() - chance) < 3.3 * error + 1e-12  # a network may give one answer to everything


def test_the_gradient_covers_the_parameters_and_is_repeatable(case: Case, noise: ImageSet) -> None:
    (name, benchmark, protocol), source = case, source_of(case, noise, "train")
    if METHODS[name].weights_of is not None:
        pytest.skip(f"{name} trains nothing")
    method, state = build(name, benchmark, protocol), state_of(name, benchmark, protocol)
    batch = source.as_images(source.draw(0, 3)) if method.training_batch == "images" else source.episodes(0, 3)
    first, second = (meta_step(Execution(CPU, 2), method, state, batch) for _ in range(2))
    assert set(first[1]) == set(state.params) and set(first[2]) == set(state.carried)
    for key, value in first[1].items():
        assert value.shape == state.params[key].shape
        assert torch.equal(value, second[1][key])


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
