"""The meta-gradient, computed by the code that trains, against finite differences and a plain loop."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._pytree import tree_map

from bench.data.images import ImageSet
from bench.episodes.images import ImageEpisodes
from bench.networks.conv4 import conv4
from bench.protocols import benchmarks, presets
from bench.protocols.benchmarks import Benchmark
from bench.protocols.protocol import Protocol, Training
from bench.tools.speed.case import Case
from bench.training.batches import TrainingBatches
from bench.training.execution import Execution
from bench.training.initial import initial_state
from methods.contract import Episode, Method, Params, State
from methods.inner_loop import inner_step
from tests.conftest import build, double, meta_step

CPU = torch.device("cpu")
VARIANTS = {
    "beta only, not adapted": {},
    "all adapted": {"batch_norm_scale": True, "batch_norm_adapted": True, "batch_norm_epsilon": 1e-5},
    "inductive": {"batch_statistics": "support"},
    "max-pool, flattened": {"downsampling": "max-pool", "head_input": "flatten", "initialisation": "glorot"},
}
# 12 x 12 images shrink to nothing in four poolings, so the pooled network sees 16 x 16.
POOLED = "max-pool, flattened"


def made(
    name: str, benchmark: Benchmark, images: ImageSet, training: Training, evaluation, layers: str = "vectorised"
) -> tuple[Method, State, Episode]:
    """A method in float64 with weights away from the initial ones, its state, and a meta-batch."""
    method = build(name, benchmark, Protocol(training, evaluation), layers)
    generator = torch.Generator().manual_seed(3)
    state = method.init(generator)
    params = {
        k: v + 0.1 * torch.randn(v.shape, generator=generator, dtype=torch.float64)
        for k, v in double(state.params).items()
    }
    batch = ImageEpisodes(benchmark, images, "train", 1, benchmark.episode(training.queries)).episodes(0, 3)
    return (
        method,
        State(params, double(state.carried)),
        batch._replace(support=batch.support.double(), query=batch.query.double()),
    )


@pytest.fixture(params=list(VARIANTS))
def case(request: pytest.FixtureRequest, small: Benchmark, noise: ImageSet, tiny_protocol: Protocol):
    """(benchmark, images, training, evaluation) of each variant."""
    training = replace(tiny_protocol.training, **VARIANTS[request.param])
    if request.param == POOLED:
        import numpy as np

        small = replace(small, input_shape=(1, 16, 16))
        noise = replace(noise, images=np.pad(noise.images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect"))
    return small, noise, training, tiny_protocol.evaluation


def directional(
    method: Method, execution: Execution, state: State, batch: Episode, along: Params, step: float = 1e-7
) -> float:
    """The central finite difference of the meta-loss along a direction."""

    def loss(sign: int) -> float:
        moved = {name: value + sign * step * along[name] for name, value in state.params.items()}
        return float(meta_step(execution, method, State(moved, state.carried), batch)[0])

    return (loss(1) - loss(-1)) / (2 * step)


def product(gradient: Params, along: Params) -> float:
    return float(sum((gradient[name] * along[name]).sum() for name in gradient))


EXECUTIONS = [
    (1, "eager", "native"),
    (1, "eager", "pooled"),
    (2, "eager", "vectorised"),
    (100, "eager", "patches"),
    (2, "eager", "masked"),
    (2, "eager", "stacked"),
]


@pytest.mark.parametrize(("chunk", "mode", "layers"), EXECUTIONS)
def test_maml_is_the_finite_difference_and_first_order_is_not(case, chunk: int, mode: str, layers: str) -> None:
    method, state, batch = made("maml", *case, layers)
    execution = Execution(CPU, chunk, mode, layers)
    _, gradient, _ = meta_step(execution, method, state, batch)
    _, first_order, _ = meta_step(execution, made("fomaml", *case)[0], state, batch)
    generator = torch.Generator().manual_seed(11)
    for _ in range(3):
        along = {k: torch.randn(v.shape, generator=generator, dtype=torch.float64) for k, v in state.params.items()}
        expected = directional(method, execution, state, batch, along)
        assert product(gradient, along) == pytest.approx(expected, rel=1e-6)
        assert product(first_order, along) != pytest.approx(expected, rel=1e-3)


def plain_loop(
    network, training: Training, params: Params, batch: Episode, second_order: bool
) -> tuple[Tensor, Params]:
    """The article's loop: autograd.grad(create_graph=True), one episode after another, with the whole graph kept."""
    leaves = {name: value.clone().requires_grad_() for name, value in params.items()}
    adapted = [name for name in leaves if training.batch_norm_adapted or not name.startswith("norm")]
    total = torch.zeros((), dtype=torch.float64)
    for support, labels, query, query_labels in zip(*batch, strict=True):
        fast = dict(leaves)
        for _ in range(training.inner_steps):
            loss = F.cross_entropy(network(fast, support), labels)
            steps = torch.autograd.grad(loss, [fast[name] for name in adapted], create_graph=second_order)
            fast |= {name: fast[name] - training.inner_lr * g for name, g in zip(adapted, steps, strict=True)}
        statistics = network.observed(fast, support) if training.batch_statistics == "support" else None
        total = total + F.cross_entropy(network(fast, query, statistics), query_labels) / len(batch.support)
    gradient = torch.autograd.grad(total, list(leaves.values()))
    return total, dict(zip(leaves, gradient, strict=True))


@pytest.mark.parametrize("preset", ["paper", "article"])
@pytest.mark.parametrize("name", ["tiny", "miniimagenet-5w5s"])
def test_what_the_inner_loop_changes(preset: str, name: str) -> None:
    """protocols.md: all parameters of the article's network, including gamma and beta; the paper's has no gamma, and
    does not change beta."""
    benchmark = benchmarks.get(name)
    method = build("maml", benchmark, presets.preset(preset, benchmark))
    state = method.init(torch.Generator().manual_seed(0))
    images = torch.rand(5, *benchmark.input_shape, generator=torch.Generator().manual_seed(1))
    labels, norms = torch.arange(5), [f"norm{k}.shift" for k in (1, 2, 3, 4)]

    def support_loss(params: Params) -> Tensor:
        return F.cross_entropy(method.setup.network(params, images), labels)

    after = inner_step(support_loss, state.params, method._adapted(state.params), 0.1)
    kept = {name for name, value in after.items() if torch.equal(value, state.params[name])}
    assert {name for name in after if "scale" in name} == (
        {f"norm{k}.scale" for k in (1, 2, 3, 4)} if preset == "article" else set()
    )
    assert kept & {name for name in after if "bias" not in name} == (set() if preset == "article" else set(norms))


@pytest.mark.parametrize("name", ["maml", "fomaml"])
@pytest.mark.parametrize(("chunk", "mode", "layers"), EXECUTIONS)
def test_equals_the_plain_loop(case, name: str, chunk: int, mode: str, layers: str) -> None:
    assert_equals_the_plain_loop(case, name, Execution(CPU, chunk, mode, layers))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "inner_steps"), [pytest.param("all adapted", 2, marks=pytest.mark.full), (POOLED, 1)], indirect=["case"]
)
def test_what_is_compiled_equals_the_plain_loop(case, inner_steps: int) -> None:
    """Both kinds of network as they are compiled on a CPU: patches for two episodes, native layers for one. CI compiles
    one inner step, because each adds minutes where nothing is in the compiler's cache."""
    benchmark, images, training, evaluation = case
    pooled = training.downsampling == "max-pool"
    execution = Execution(CPU, 1 if pooled else 2, "compiled", "masked" if pooled else "patches")
    training = replace(training, inner_steps=inner_steps)
    assert_equals_the_plain_loop((benchmark, images, training, evaluation), "maml", execution)


def assert_equals_the_plain_loop(case, name: str, execution: Execution) -> None:
    method, state, batch = made(name, *case, execution.layers)
    loss, gradient, _ = meta_step(execution, method, state, batch)
    native = conv4(case[0], case[2])
    expected_loss, expected = plain_loop(native, case[2], state.params, batch, name == "maml")
    assert float(loss) == pytest.approx(float(expected_loss), rel=1e-12)
    for key in expected:
        torch.testing.assert_close(gradient[key], expected[key], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", ["maml", "fomaml", "finetune"])
@pytest.mark.parametrize("chunk", [1, 3])
def test_seeds_together_are_the_seeds_alone(
    small: Benchmark, noise: ImageSet, tiny_protocol: Protocol, name: str, chunk: int
) -> None:
    parts = [made(name, small, noise, tiny_protocol.training, tiny_protocol.evaluation) for _ in range(2)]
    method, states = parts[0][0], [parts[0][1], tree_map(lambda tensor: tensor * 1.1, parts[1][1])]
    sources = [ImageEpisodes(small, noise, "train", seed, small.episode(2)) for seed in (0, 1)]
    feed = TrainingBatches(method.training_batch, tiny_protocol.training, sources)
    batch = tree_map(lambda t: t.double() if t.is_floating_point() else t, feed.batch(feed.at(0)))
    execution = Execution(CPU, chunk)
    together = execution.loss_and_gradient(method, tree_map(lambda *each: torch.stack(each), *states), batch)
    for place, state in enumerate(states):
        alone = meta_step(execution, method, state, tree_map(lambda tensor, place=place: tensor[place], batch))
        mine = tree_map(lambda tensor, place=place: tensor[place], together)
        torch.testing.assert_close(mine, alone, rtol=1e-9, atol=1e-11)


def test_sum_over_shots_is_ways_times_the_rate_on_the_mean(
    small: Benchmark, noise: ImageSet, tiny_protocol: Protocol
) -> None:
    """protocols.md, detail 1: one step on the sum / K at alpha is one step on the mean at ways x alpha."""
    method, state, batch = made(
        "maml", small, noise, replace(tiny_protocol.training, inner_steps=1), tiny_protocol.evaluation
    )
    alpha = method.setup.training.inner_lr / small.ways

    def summed(params: Params) -> Tensor:
        outputs = method.setup.network(params, batch.support[0])
        return F.cross_entropy(outputs, batch.support_labels[0], reduction="sum") / small.shots

    adapted = method._adapted(state.params)
    theirs = inner_step(summed, state.params, adapted, alpha)
    ours = method.predict(state, batch.support[0], batch.support_labels[0], batch.query[0], {})
    torch.testing.assert_close(method.setup.network(theirs, batch.query[0]), ours[1], rtol=1e-10, atol=1e-12)


def test_finetune_gradient_is_the_finite_difference(small: Benchmark, noise: ImageSet, tiny_protocol: Protocol) -> None:
    method, state, _ = made("finetune", small, noise, tiny_protocol.training, tiny_protocol.evaluation)
    source = ImageEpisodes(small, noise, "train", 1, small.episode(2))
    batch = source.as_images(source.draw(0, 3))
    batch = batch._replace(images=batch.images.double())
    execution = Execution(CPU, 100)
    _, gradient, _ = meta_step(execution, method, state, batch)
    along = {
        k: torch.randn(v.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        for k, v in state.params.items()
    }
    assert product(gradient, along) == pytest.approx(directional(method, execution, state, batch, along), rel=1e-6)


@pytest.mark.full
def test_what_is_compiled_keeps_float32s_digits() -> None:
    """On drawings with large uniform areas: a less precise sum in batch norm changed the sign at many ReLUs
    together."""
    case = Case(benchmarks.get("omniglot-5w1s"), "maml", CPU, None, meta_batch=4)
    method = case.workload.build("patches")
    state = initial_state(method, 0)  # the protocol's own, not the case's, which are chosen to be insensitive
    exact = meta_step(Execution(CPU, 4), method, doubled(state), doubled(case.training_batch))[1]
    for mode in ("eager", "compiled"):
        found = meta_step(Execution(CPU, 4, mode, "patches"), method, state, case.training_batch)[1]
        for name in exact:
            if "conv" not in name or "bias" not in name:  # whose gradient is zero: batch norm takes a shift away
                away = (found[name] - exact[name]).norm() / exact[name].norm()
                assert away < 1e-4, (mode, name, float(away))


def doubled(values):
    return tree_map(lambda tensor: tensor.double() if tensor.is_floating_point() else tensor, values)
