"""Prototypical networks as their authors train and test them, compared with an implementation in PyTorch's own
modules."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.data.images import ImageSet
from bench.protocols.benchmarks import Benchmark
from bench.protocols.protocol import Protocol
from bench.training.execution import Execution
from methods.contract import Episode, Params, State
from tests.conftest import meta_step
from tests.methods.test_meta_gradient import CPU, made


class Snell(nn.Module):
    """Prototypical networks as in jakesnell/prototypical-networks, few_shot.py: support and query form one batch."""

    def __init__(self, params: Params) -> None:
        super().__init__()
        blocks, channels = [], 1
        for k in (1, 2, 3, 4):
            filters = len(params[f"norm{k}.shift"])
            convolution = nn.Conv2d(channels, filters, 3, padding=1).double()
            norm = nn.BatchNorm2d(filters, eps=1e-5).double()
            for layer, name, own in (
                *((convolution, f"conv{k}.{part}", part) for part in ("weight", "bias")),
                *((norm, f"norm{k}.scale", "weight"), (norm, f"norm{k}.shift", "bias")),
            ):
                getattr(layer, own).data.copy_(params[name])
            blocks += [convolution, norm, nn.ReLU(), nn.MaxPool2d(2)]
            channels = filters
        self.encoder = nn.Sequential(*blocks, nn.Flatten())

    def distances(self, support: Tensor, query: Tensor, ways: int) -> Tensor:
        """Squared distances [query images, ways]; the support images come class by class."""
        features = self.encoder(torch.cat([support, query]))
        prototypes = features[: len(support)].unflatten(0, (ways, -1)).mean(1)
        return torch.cdist(features[len(support) :], prototypes).square()


@pytest.fixture
def parts(small: Benchmark, noise: ImageSet, tiny_protocol: Protocol):
    """A method, its state and one episode, on images of 16 x 16; evaluated with running statistics."""
    images = replace(noise, images=np.pad(noise.images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect"))
    settings = {"batch_norm_scale": True, "batch_norm_gamma": "uniform", "batch_norm_epsilon": 1e-5}
    settings |= {"downsampling": "max-pool", "head_input": "flatten", "batch_statistics": "episode"}
    training = replace(tiny_protocol.training, initialisation="pytorch", **settings)
    evaluation = replace(tiny_protocol.evaluation, batch_statistics="running")
    method, state, batch = made("protonet", replace(small, input_shape=(1, 16, 16)), images, training, evaluation)
    return method, state, Episode(*(part[:1] for part in batch))


@pytest.mark.parametrize("layers", ["native", "pooled", "vectorised"])
def test_a_step_is_that_of_their_modules(parts, layers: str) -> None:
    method, state, batch = parts
    method = type(method)(replace(method.setup, network=replace(method.setup.network, layers=layers)))
    loss, gradient, carried = meta_step(Execution(CPU, 1, "eager", layers), method, state, batch)
    theirs = Snell(state.params)
    expected = F.cross_entropy(-theirs.distances(batch.support[0], batch.query[0], 3), batch.query_labels[0])
    expected.backward()
    torch.testing.assert_close(loss, expected.detach())
    images = len(batch.support[0]) + len(batch.query[0])
    for k in (1, 2, 3, 4):
        convolution, norm = theirs.encoder[4 * k - 4], theirs.encoder[4 * k - 3]
        torch.testing.assert_close(gradient[f"conv{k}.weight"], convolution.weight.grad)
        torch.testing.assert_close(gradient[f"norm{k}.scale"], norm.weight.grad)
        torch.testing.assert_close(carried[f"norm{k}.mean"], norm.running_mean)
        # PyTorch's is of a sample, ours of what there is: apart by one part in all the places of a layer.
        places = images * (16 >> (k - 1)) ** 2
        ours = 0.9 + (carried[f"norm{k}.variance"] - 0.9) * places / (places - 1)
        torch.testing.assert_close(ours, norm.running_var)


def test_the_test_is_that_of_their_modules(parts) -> None:
    method, state, batch = parts
    theirs = Snell(state.params).eval()
    generator = torch.Generator().manual_seed(5)
    carried = {name: 0.5 + torch.rand(v.shape, generator=generator).double() for name, v in state.carried.items()}
    for k in (1, 2, 3, 4):
        norm = theirs.encoder[4 * k - 3]
        norm.running_mean.copy_(carried[f"norm{k}.mean"]), norm.running_var.copy_(carried[f"norm{k}.variance"])
    found = method.predict(State(state.params, carried), batch.support[0], batch.support_labels[0], batch.query[0], {})
    torch.testing.assert_close(-found[0], theirs.distances(batch.support[0], batch.query[0], 3).detach())


@pytest.mark.parametrize("mode", ["batch", "support", "episode"])
def test_statistics_of_a_training_move_by_a_tenth(parts, mode: str) -> None:
    """Towards the statistics of the support set, which in `episode` forms one batch with the queries."""
    method, state, batch = parts
    setup = method.setup
    method = type(method)(replace(setup, training=replace(setup.training, batch_statistics=mode)))
    _, _, carried = meta_step(Execution(CPU, 1), method, state, batch)
    images = torch.cat([batch.support[0], batch.query[0]]) if mode == "episode" else batch.support[0]
    for name, value in setup.network.observed(state.params, images).items():
        torch.testing.assert_close(carried[name], 0.9 * state.carried[name] + 0.1 * value)
