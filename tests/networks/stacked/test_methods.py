"""Methods on the stacked engine, compared with the same methods on one episode, by the code that trains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.data.images import ImageSet
from bench.episodes.images import ImageEpisodes
from bench.networks.stacked import step as stacked
from bench.protocols.benchmarks import Benchmark
from bench.protocols.protocol import Protocol
from bench.training.execution import Execution
from methods import METHODS
from methods.contract import Episode, ImageBatch, Method, State
from tests.conftest import build, double, meta_step

CPU = torch.device("cpu")
STACKED = [name for name, kind in METHODS.items() if stacked.says(kind, stacked.GRADIENT)]


@pytest.fixture(params=["pooled, batch", "strided, support"])
def case(request: pytest.FixtureRequest, small: Benchmark, noise: ImageSet, tiny_protocol: Protocol):
    """(benchmark, images, protocol) for both networks and both kinds of statistics."""
    downsampling, statistics = request.param.split(", ")
    pooled = {"downsampling": "max-pool", "head_input": "flatten"} if downsampling == "pooled" else {}
    training = replace(tiny_protocol.training, batch_statistics=statistics, **pooled)
    evaluation = replace(tiny_protocol.evaluation, batch_statistics=statistics)
    noise = replace(noise, images=np.pad(noise.images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect"))
    return replace(small, input_shape=(1, 16, 16)), noise, Protocol(training, evaluation)


def drawn(method: Method, benchmark: Benchmark, images: ImageSet, protocol: Protocol) -> tuple[State, Episode]:
    """A state in float64 away from the initial one, and three random episodes."""
    generator = torch.Generator().manual_seed(3)
    state = method.init(generator)
    params = {
        name: value + 0.1 * torch.randn(value.shape, generator=generator, dtype=torch.float64)
        for name, value in double(state.params).items()
    }
    shape = benchmark.episode(protocol.training.queries)
    episodes = ImageEpisodes(benchmark, images, "train", 1, shape).episodes(0, 3)
    episodes = episodes._replace(support=episodes.support.double(), query=episodes.query.double())
    return State(params, double(state.carried)), episodes


def test_the_methods_that_the_engine_is_for() -> None:
    assert STACKED == ["maml", "fomaml", "anil", "meta-sgd", "msl", "finetune"]


@pytest.mark.parametrize("name", STACKED)
def test_the_engine_and_autograd_agree(case, name: str) -> None:
    """Loss, gradient, carried state, and outputs along the inner loop."""
    methods = {layers: build(name, case[0], case[2], layers) for layers in ("vectorised", "stacked")}
    state, episodes = drawn(methods["stacked"], *case)
    fed = episodes
    if methods["stacked"].training_batch == "images":
        fed = ImageBatch(episodes.query.flatten(0, 1), episodes.query_labels.flatten())
    setting = dict(methods["stacked"].candidates()[0])
    executions = {layers: Execution(CPU, 2, layers=layers) for layers in methods}
    steps = {layers: meta_step(executions[layers], method, state, fed) for layers, method in methods.items()}
    torch.testing.assert_close(steps["stacked"], steps["vectorised"], rtol=1e-9, atol=1e-11)
    outputs = {
        layers: executions[layers].predict(method, state, episodes, setting) for layers, method in methods.items()
    }
    torch.testing.assert_close(outputs["stacked"], outputs["vectorised"], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("batch_statistics", ["batch", "support"])
def test_where_the_head_alone_is_adapted_features_are_taken_once(case, batch_statistics: str) -> None:
    """With as many steps as the head's own setting says; the outputs equal autograd's."""
    benchmark, protocol = case[0], case[2]
    of_head = {"adapt": "chosen", "finetune_head_steps": 4, "batch_statistics": batch_statistics}
    protocol = replace(protocol, evaluation=replace(protocol.evaluation, **of_head))
    methods = {layers: build("finetune", benchmark, protocol, layers) for layers in ("vectorised", "stacked")}
    state, episodes = drawn(methods["stacked"], *case)
    expected, found = (
        Execution(CPU, 2, layers=layers).predict(method, state, episodes, {"adapt": "head", "lr": 0.1})
        for layers, method in methods.items()
    )
    assert found.shape[1] == 5
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11)


def test_running_statistics_keep_their_path(case) -> None:
    """The stacked engine does not support them."""
    benchmark, protocol = case[0], case[2]
    protocol = replace(protocol, evaluation=replace(protocol.evaluation, batch_statistics="running"))
    methods = {layers: build("finetune", benchmark, protocol, layers) for layers in ("vectorised", "stacked")}
    state, episodes = drawn(methods["stacked"], *case)
    found = [
        Execution(CPU, 2, layers=layers).predict(method, state, episodes, {"lr": 0.01})
        for layers, method in methods.items()
    ]
    assert torch.equal(*found)


def test_a_class_that_inherits_keeps_the_path_of_its_own(case) -> None:
    """The inherited stacked methods do not have the subclass's changes."""

    class Still(METHODS["maml"]):
        def _step(self, images, labels):
            return lambda params: params

    methods = [Still(build("maml", case[0], case[2], layers).setup) for layers in ("vectorised", "stacked")]
    state, episodes = drawn(methods[0], *case)
    expected, found = (
        meta_step(Execution(CPU, 2, layers=layers), method, state, episodes)
        for layers, method in zip(("vectorised", "stacked"), methods, strict=True)
    )
    torch.testing.assert_close(found, expected)
