"""Fine-tuning in minibatches, with momentum and weight decay, compared with PyTorch's own optimiser and layers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from bench.data.images import ImageSet
from bench.protocols.benchmarks import Benchmark
from bench.protocols.protocol import Protocol
from bench.training.execution import Execution
from methods.contract import ImageBatch
from methods.inner_loop import minibatches
from tests.methods.test_meta_gradient import made

SETTINGS = {"finetune_batch": 4, "finetune_momentum": 0.9, "finetune_dampening": 0.9, "finetune_weight_decay": 0.001}


class Cosines(nn.Module):
    """The authors' distLinear (wyharveychen/CloserLookFewShot, backbone.py)."""

    def __init__(self, features: int, outputs: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.linear = weight_norm(nn.Linear(features, outputs, bias=False, dtype=torch.float64), dim=0)

    def forward(self, features: Tensor) -> Tensor:
        return self.scale * self.linear(features / (features.norm(dim=1, keepdim=True) + 0.00001))


def head_of(name: str, carried: dict[str, Tensor], scale: float) -> nn.Module:
    """A PyTorch head with the values from which every episode's head starts."""
    own = {key.removeprefix("episode.head."): value for key, value in carried.items() if "head" in key}
    if name == "finetune":
        head = nn.Linear(own["weight"].shape[1], 3, dtype=torch.float64)
        head.weight.data.copy_(own["weight"]), head.bias.data.copy_(own["bias"])
        return head
    cosines = Cosines(own["direction"].shape[1], 3, scale)
    weight = cosines.linear.parametrizations.weight
    weight.original0.data.copy_(own["norm"]), weight.original1.data.copy_(own["direction"])
    return cosines


@pytest.mark.parametrize(("name", "scale"), [("finetune", None), ("baseline++", None), ("baseline++", 10.0)])
def test_a_head_is_trained_as_by_pytorch(
    name: str, scale: float | None, small: Benchmark, noise: ImageSet, tiny_protocol: Protocol
) -> None:
    settings = SETTINGS | {"cosine_scale": scale}
    evaluation = replace(tiny_protocol.evaluation, adapt="head", finetune_steps=7, batch_statistics="running")
    method, state, batch = made(name, small, noise, tiny_protocol.training, replace(evaluation, **settings))
    support, labels, query, _ = (part[0] for part in batch)
    found = method.predict(state, support, labels, query, {"lr": 0.1, "adapt": "head"})
    head, network = head_of(name, state.carried, scale or 2), method.setup.network
    anchors, queries = (network.features(state.params, images, state.carried) for images in (support, query))
    optimiser = torch.optim.SGD(head.parameters(), lr=0.1, momentum=0.9, dampening=0.9, weight_decay=0.001)
    for step, images in enumerate(minibatches(len(support), 4, 7)):
        torch.testing.assert_close(found[step], head(queries).detach())
        optimiser.zero_grad()
        F.cross_entropy(head(anchors[images]), labels[images]).backward()
        optimiser.step()
    torch.testing.assert_close(found[7], head(queries).detach())
    assert len(found) == 8 and not torch.allclose(found[7], found[0])


def test_the_scale_of_cosines_at_test_does_not_move_training(
    small: Benchmark, noise: ImageSet, tiny_protocol: Protocol
) -> None:
    losses = []
    for scale in (None, 10.0):
        evaluation = replace(tiny_protocol.evaluation, cosine_scale=scale)
        method, state, batch = made("baseline++", small, noise, tiny_protocol.training, evaluation)
        images, labels = batch.support[0], batch.support_labels[0]
        losses.append(method.loss_and_gradient(state, ImageBatch(images, labels))[0])
    assert losses[0] == losses[1]


def test_running_statistics_follow_the_steps(small: Benchmark, noise: ImageSet, tiny_protocol: Protocol) -> None:
    """The network in training mode for each step and in evaluation mode at test, by PyTorch's functions alone."""
    settings = {"adapt": "all", "finetune_steps": 3, "batch_statistics": "running", "finetune_statistics": "moved"}
    training = replace(tiny_protocol.training, batch_norm_scale=True)
    evaluation = replace(tiny_protocol.evaluation, **settings)
    method, state, batch = made("finetune", small, noise, training, evaluation)
    support, labels, query, _ = (part[0] for part in batch)
    found = method.predict(state, support, labels, query, {"lr": 0.05})
    network, head = (
        method.setup.network,
        {k.removeprefix("episode."): v for k, v in state.carried.items() if "head" in k},
    )
    params, running = state.params | head, {k: v for k, v in state.carried.items() if k.startswith("norm")}
    for step in range(4):
        torch.testing.assert_close(found[step], network(params, query, running))
        leaves = {name: value.clone().requires_grad_() for name, value in params.items()}
        seen = network.observed(params, support)
        running = {name: 0.9 * value + 0.1 * seen[name] for name, value in running.items()}
        gradient = torch.autograd.grad(F.cross_entropy(network(leaves, support), labels), list(leaves.values()))
        params = {name: value - 0.05 * of for (name, value), of in zip(params.items(), gradient, strict=True)}
    assert not torch.allclose(found[3], found[0])


@pytest.mark.parametrize("name", ["finetune", "baseline++"])
def test_minibatches_of_episodes_at_once(name: str, small: Benchmark, noise: ImageSet, tiny_protocol: Protocol) -> None:
    """They equal those of one episode at a time."""
    evaluation = replace(tiny_protocol.evaluation, finetune_steps=4, batch_statistics="running", **SETTINGS)
    method, state, batch = made(name, small, noise, tiny_protocol.training, evaluation)
    setting = dict(method.candidates()[0])
    found = [Execution(torch.device("cpu"), chunk).predict(method, state, batch, setting) for chunk in (1, 2)]
    torch.testing.assert_close(found[1], found[0])


def test_minibatches_are_passes_over_the_support_set() -> None:
    found = minibatches(25, 4, 14)
    assert [len(images) for images in found] == [4, 4, 4, 4, 4, 4, 1] * 2
    first, second = torch.cat(found[:7]), torch.cat(found[7:])
    assert first.sort().values.tolist() == second.sort().values.tolist() == list(range(25))
    assert not torch.equal(first, second) and minibatches(25, None, 2) == [slice(None)] * 2
