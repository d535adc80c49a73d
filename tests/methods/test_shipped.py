"""The other built-in methods: their gradients, and their limits in which they equal MAML."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bench import records
from bench.data.images import ImageSet
from bench.networks.conv4 import conv4
from bench.protocols.benchmarks import Benchmark
from bench.protocols.protocol import Protocol, Training
from bench.training.execution import Execution
from methods import METHODS
from methods.contract import Params, State
from methods.maml import Maml
from tests.conftest import Command, meta_step
from tests.methods.test_meta_gradient import CPU, directional, made, product

Parts = tuple[Benchmark, ImageSet, Training, object]


@pytest.fixture
def parts(small: Benchmark, noise: ImageSet, tiny_protocol: Protocol) -> Parts:
    training = replace(tiny_protocol.training, inner_steps=3)
    return small, noise, training, tiny_protocol.evaluation


class LeavesTheFirst(Maml):
    """The example in docs/methods.md: the inner loop leaves the first convolution unchanged."""

    def _adapted(self, params: Params) -> frozenset[str]:
        return super()._adapted(params) - {"conv1.weight", "conv1.bias"}


class LeavesTheLast(Maml):
    """The opposite of `LeavesTheFirst`: the inner loop leaves the last convolution unchanged."""

    def _adapted(self, params: Params) -> frozenset[str]:
        return super()._adapted(params) - {"conv4.weight", "conv4.bias", "head.weight"}


@pytest.mark.parametrize("name", ["anil", "meta-sgd", "msl", "protonet", LeavesTheFirst, LeavesTheLast])
@pytest.mark.parametrize(("statistics", "scaled"), [("batch", False), ("support", True)])
def test_pooling_first_leaves_the_gradient_what_it_is(
    parts: Parts, name: str | type[Maml], statistics: str, scaled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for a batch norm with a scale, which may be negative, and is adapted in the inner loop."""
    benchmark, images, training, evaluation = parts
    if isinstance(name, type):
        monkeypatch.setitem(METHODS, "mine", name)
        name = "mine"
    images = replace(images, images=np.pad(images.images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect"))
    pooled = {"downsampling": "max-pool", "head_input": "flatten", "initialisation": "glorot"}
    pooled |= {"batch_norm_scale": scaled, "batch_norm_adapted": scaled}
    training = replace(training, inner_steps=2, batch_statistics=statistics, **pooled)
    gradients = []
    for layers in ("pooled", "vectorised"):
        method, state, batch = made(
            name, replace(benchmark, input_shape=(1, 16, 16)), images, training, evaluation, layers
        )
        assert method.setup.network._pools_first == (layers == "pooled")
        for value in (value for key, value in state.params.items() if key.endswith(".scale")):
            value[::2] *= -1
        gradients.append(meta_step(Execution(CPU, 1, "eager", layers), method, state, batch)[1])
    torch.testing.assert_close(*gradients, rtol=1e-8, atol=1e-10)


def of(name: str, parts: Parts, chunk: int = 2) -> tuple[Tensor, Params, Params]:
    return meta_step(Execution(CPU, chunk), *made(name, *parts))


@pytest.mark.full
def test_each_runs_compiled(bench: Command, tmp_path: Path) -> None:
    methods = ("finetune", "anil", "reptile", "meta-sgd", "msl", "protonet")
    named = [word for name in methods for word in ("--method", name)]
    ran = bench("run", "--benchmark", "tiny", "--mode", "compiled", "--iterations", "2", *named, timeout=1500)
    assert ran.returncode == 0 and "does not run here" not in ran.stderr, ran.stderr
    found, _ = records.read_all(tmp_path / "results" / "runs")
    assert {(record.method, record.info["execution"]["mode"]) for record in found} == {(m, "compiled") for m in methods}


@pytest.mark.parametrize("name", ["anil", "meta-sgd", "msl", "protonet"])
@pytest.mark.parametrize("statistics", ["batch", "support"])
@pytest.mark.parametrize("chunk", [1, 2])
def test_the_gradient_is_the_finite_difference(parts: Parts, name: str, statistics: str, chunk: int) -> None:
    benchmark, images, training, evaluation = parts
    training = replace(training, batch_statistics=statistics)
    method, state, batch = made(name, benchmark, images, training, evaluation)
    execution = Execution(CPU, chunk)
    _, gradient, _ = meta_step(execution, method, state, batch)
    generator = torch.Generator().manual_seed(11)
    for _ in range(3):
        along = {k: torch.randn(v.shape, generator=generator, dtype=torch.float64) for k, v in state.params.items()}
        assert product(gradient, along) == pytest.approx(directional(method, execution, state, batch, along), rel=1e-5)


def test_anil_is_maml_whose_head_alone_adapts(parts: Parts) -> None:
    """A plain loop over the head, on features through which the whole gradient flows."""
    method, state, batch = made("anil", *parts)
    loss, gradient, _ = meta_step(Execution(CPU, 2), method, state, batch)
    network, training = conv4(parts[0], parts[2]), parts[2]
    leaves = {name: value.clone().requires_grad_() for name, value in state.params.items()}
    total = torch.zeros((), dtype=torch.float64)
    for support, labels, query, query_labels in zip(*batch, strict=True):
        known, asked = network.features(leaves, support), network.features(leaves, query)
        weight, bias = leaves["head.weight"], leaves["head.bias"]
        for _ in range(training.inner_steps):
            inner = F.cross_entropy(F.linear(known, weight, bias), labels)
            steps = torch.autograd.grad(inner, [weight, bias], create_graph=True)
            weight, bias = (part - training.inner_lr * g for part, g in zip((weight, bias), steps, strict=True))
        total = total + F.cross_entropy(F.linear(asked, weight, bias), query_labels) / len(batch.support)
    expected = dict(zip(leaves, torch.autograd.grad(total, list(leaves.values())), strict=True))
    assert float(loss) == pytest.approx(float(total.detach()), rel=1e-12)
    for name, value in expected.items():
        torch.testing.assert_close(gradient[name], value, rtol=1e-9, atol=1e-11)


def test_meta_sgd_with_equal_rates_is_maml(parts: Parts) -> None:
    maml, state, batch = made("maml", *parts)
    method, other, _ = made("meta-sgd", *parts)
    equal = {k: torch.full_like(v, parts[2].inner_lr) for k, v in other.params.items() if k.startswith("rate.")}
    assert {name.removeprefix("rate.") for name in equal} == maml._adapted(state.params)
    ours, theirs = (meta_step(Execution(CPU, 2), m, s, batch) for m, s in (
        (method, State(state.params | equal, {})), (maml, state)))  # fmt: skip
    assert float(ours[0]) == pytest.approx(float(theirs[0]), rel=1e-12)
    for name, value in theirs[1].items():
        torch.testing.assert_close(ours[1][name], value, rtol=1e-9, atol=1e-11)
    assert all(ours[1][name].abs().sum() > 0 for name in ("rate.conv1.weight", "rate.head.weight"))
    initial = method.init(torch.Generator().manual_seed(0)).params
    assert all((initial[name] == torch.tensor(parts[2].inner_lr)).all() for name in equal)


def test_msl_goes_over_to_maml(parts: Parts) -> None:
    """With one inner step it equals MAML; with several, all query losses have equal weights at first, and only the last
    one counts at the end."""
    single = (*parts[:2], replace(parts[2], inner_steps=1), parts[3])
    ours, maml = of("msl", single), of("maml", single)
    torch.testing.assert_close(ours[:2], maml[:2], rtol=1e-10, atol=1e-12)

    method, state, _ = made("msl", *parts)
    assert [float(w) for w in method._weights(torch.tensor(0.0))] == pytest.approx([1 / 3] * 3)
    assert [float(w) for w in method._weights(torch.tensor(6.0))] == pytest.approx([0.01, 0.01, 0.98])
    loss, _, carried = of("msl", parts)
    losses = [float(of("maml", (*parts[:2], replace(parts[2], inner_steps=k), parts[3]))[0]) for k in (1, 2, 3)]
    assert float(loss) == pytest.approx(float(np.mean(losses)), rel=1e-6)
    assert float(carried["updates"]) == float(state.carried["updates"]) + 1


def test_reptile_points_away_from_where_its_inner_loop_ends(parts: Parts) -> None:
    method, state, batch = made("reptile", *parts)
    _, gradient, _ = meta_step(Execution(CPU, 2), method, state, batch)
    network, training = conv4(parts[0], parts[2]), parts[2]
    total = {name: torch.zeros_like(value) for name, value in state.params.items()}
    for support, labels, query, query_labels in zip(*batch, strict=True):
        params = dict(state.params)
        for images, of_images in [(support, labels), (query, query_labels)] * training.inner_steps:
            leaves = {name: value.clone().requires_grad_() for name, value in params.items()}
            loss = F.cross_entropy(network(leaves, images), of_images)
            steps = torch.autograd.grad(loss, list(leaves.values()))
            for (name, value), step in zip(params.items(), steps, strict=True):
                params[name], total[name] = value - training.inner_lr * step, total[name] + step / len(batch.support)
    for name, value in total.items():
        torch.testing.assert_close(gradient[name], value, rtol=1e-9, atol=1e-10)
        assert value.abs().sum() > 0


def test_prototypes_are_the_means_of_their_classes(parts: Parts) -> None:
    method, state, batch = made("protonet", *parts)
    support, labels, query, _ = (part[0] for part in batch)
    network = conv4(parts[0], parts[2])
    known, asked = network.features(state.params, support), network.features(state.params, query)
    expected = [[-float((q - known[labels == k].mean(0)).square().sum()) for k in range(3)] for q in asked]
    found = method.predict(state, support, labels, query, {})[0]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))
    assert not any(name.startswith("head") for name in state.params)


@pytest.mark.parametrize("name", ["anil", "reptile", "meta-sgd", "msl", "protonet"])
def test_the_loss_falls(typed: Command, tmp_path: Path, name: str) -> None:
    asked = ("--benchmark", "tiny", "--method", name, "--iterations", "60", "--set", "meta_lr=0.01")
    assert typed("run", *asked, "--set", "validations=1").returncode == 0
    (record,) = records.read_all(tmp_path / "results" / "runs")[0]
    loss = record.curve["train_loss"].to_numpy()
    assert len(loss) == 60 and loss[-15:].mean() < 0.95 * loss[:15].mean()
