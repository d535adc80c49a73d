"""MAML++: its gradient, the weights of its step losses, and the learning rates, gamma and beta of each inner step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bench.data.images import ImageSet
from bench.networks.conv4 import conv4
from bench.protocols.benchmarks import Benchmark
from bench.protocols.protocol import Protocol
from bench.training.execution import Execution
from methods.contract import Params, State
from tests.conftest import build, meta_step
from tests.methods.test_meta_gradient import CPU, made


@pytest.fixture
def parts(small: Benchmark, noise: ImageSet, tiny_protocol: Protocol):
    changed = {"inner_steps": 3, "batch_norm_scale": True, "activation": "leaky-relu", "multi_step_epochs": 4}
    training = replace(tiny_protocol.training, **changed, epoch=5)
    return small, noise, training, tiny_protocol.evaluation


def plain(parts, state: State, batch, weights: list[float]) -> tuple[Tensor, Params]:
    """A plain loop with autograd, like the authors' `forward`."""
    network, leaves = (
        conv4(parts[0], parts[2]),
        {name: value.clone().requires_grad_() for name, value in state.params.items()},
    )
    total = torch.zeros((), dtype=torch.float64)
    for support, labels, query, query_labels in zip(*batch, strict=True):
        adapted = {name: value for name, value in leaves.items() if name.startswith(("conv", "head"))}
        for k, weight in enumerate(weights):
            norms = {name: value[k] for name, value in leaves.items() if name.startswith("norm")}
            loss = F.cross_entropy(network(adapted | norms, support), labels)
            steps = torch.autograd.grad(loss, list(adapted.values()), create_graph=True)
            adapted = {
                name: value - leaves[f"rate.{name}"][k] * step
                for (name, value), step in zip(adapted.items(), steps, strict=True)
            }
            total = total + weight * F.cross_entropy(network(adapted | norms, query), query_labels)
    total = total / len(batch.support)
    gradients = torch.autograd.grad(total, list(leaves.values()))
    return total.detach(), dict(zip(leaves, gradients, strict=True))


@pytest.mark.parametrize("updates", [0, 7, 40])
def test_a_meta_step_is_that_of_a_plain_loop(parts, updates: int) -> None:
    method, state, batch = made("maml++", *parts)
    state = State(state.params, {"updates": torch.tensor(float(updates), dtype=torch.float64)})
    weights = {0: [1 / 3] * 3, 7: [0.25, 0.25, 0.5], 40: [0.0, 0.0, 1.0]}[updates]
    loss, gradient, carried = meta_step(Execution(CPU, 2), method, state, batch)
    expected, gradients = plain(parts, state, batch, weights)
    torch.testing.assert_close(loss, expected, rtol=1e-9, atol=1e-10)
    assert set(gradient) == set(gradients) and float(carried["updates"]) == updates + 1
    for name, value in gradients.items():
        torch.testing.assert_close(gradient[name], value, rtol=1e-6, atol=1e-8)
        assert name.endswith(".bias") or value.abs().sum() > 0


def test_each_inner_step_has_its_own(parts) -> None:
    method = build("maml++", parts[0], Protocol(parts[2], parts[3]))
    params = method.init(torch.Generator().manual_seed(0)).params
    filters = parts[2].filters
    assert params["norm2.shift"].shape == params["norm2.scale"].shape == (3, filters)
    assert params["rate.conv1.weight"].tolist() == pytest.approx([parts[2].inner_lr] * 3)
    assert not any(name.startswith("rate.norm") for name in params)


@pytest.mark.parametrize("epochs", [2, 10])
def test_the_weights_of_the_steps_are_the_authors(parts, epochs: int) -> None:
    """get_per_step_loss_importance_vector, and after those epochs only the last loss (`forward`)."""
    training = replace(parts[2], inner_steps=5, multi_step_epochs=epochs, epoch=500)
    method = build("msl", parts[0], Protocol(training, parts[3]))
    for epoch in range(epochs + 2):
        theirs = np.full(5, 1 / 5)
        theirs[:-1] = np.maximum(1 / 5 - epoch / 5 / epochs, 0.03 / 5)
        theirs[-1] = min(1 / 5 + epoch * 4 / 5 / epochs, 1 - 4 * 0.03 / 5)
        theirs = theirs if epoch < epochs else np.array([0.0, 0, 0, 0, 1])
        for made_so_far in (500 * epoch, 500 * epoch + 499):
            ours = [float(w) for w in method._weights(torch.tensor(float(made_so_far)))]
            assert ours == pytest.approx(theirs.tolist(), abs=1e-6)
