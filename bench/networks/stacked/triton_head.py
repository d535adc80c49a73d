"""The head on Triton: `bench.networks.stacked.head` in four launches instead of about forty."""

from __future__ import annotations

from typing import NamedTuple

import triton
from torch import Tensor

from bench.networks.stacked import head as twin
from bench.networks.stacked.head import BIAS, WEIGHT, Params
from bench.networks.stacked.tiles import How
from bench.networks.stacked.triton_kernels import head
from bench.networks.stacked.triton_kernels.launch import launch


class TritonHead(NamedTuple):
    """The intermediate results that the derivatives of a head need."""

    features: Tensor
    weight: Tensor
    probabilities: Tensor
    delta: Tensor
    before: int
    grad_features: Tensor


class Heads(How):
    """The functions of `bench.networks.stacked.head`."""

    def outputs(self, params: Params, features: Tensor) -> Tensor:
        """z [episodes, images, ways]."""
        return twin.outputs(params, features)

    def loss(self, params: Params, features: Tensor, labels: Tensor) -> tuple[Tensor, TritonHead]:
        """The loss of each episode, with labels [episodes, N], and the intermediate results that its gradient needs."""
        before, weight, bias = features.shape[1] - labels.shape[1], params[WEIGHT].contiguous(), params[BIAS]
        features = features[:, before:].contiguous()
        losses, grad_features = features.new_empty(labels.shape), features.new_empty(features.shape)
        probabilities, delta = (features.new_empty((*labels.shape, weight.shape[1])) for _ in range(2))
        grid, numbers, options = self._blocks(features, weight.shape[1])
        launch(
            head.head, grid,
            features, weight, bias.contiguous(), labels.contiguous(), losses, probabilities, delta, grad_features,
            labels.shape[1], *numbers, **options,
        )  # fmt: skip
        return losses.mean(1), TritonHead(features, weight, probabilities, delta, before, grad_features)

    def gradient(self, found: TritonHead) -> tuple[Params, Tensor]:
        """The gradients with respect to the head's parameters, and to all features."""
        own = self._weight_and_bias(((found.features, found.delta),))
        return own, twin.of_all(found.before, found.grad_features)

    def derivative(self, found: TritonHead, features1: Tensor | None, direction: Params) -> tuple[Params, Tensor]:
        """The derivative of both gradients in a direction; if it does not include everything, torch's version is
        used."""
        if features1 is None or WEIGHT not in direction or BIAS not in direction:
            return twin.derivative(twin.Head(*found[:5]), features1, direction)
        features1 = features1[:, found.before :].contiguous()
        delta1, grad_features = found.delta.new_empty(found.delta.shape), features1.new_empty(features1.shape)
        grid, numbers, options = self._blocks(features1, found.weight.shape[1])
        launch(
            head.head_tangent, grid,
            found.features, features1, found.weight, direction[WEIGHT].contiguous(), direction[BIAS].contiguous(),
            found.probabilities, found.delta, delta1, grad_features, features1.shape[1], *numbers, **options,
        )  # fmt: skip
        own = self._weight_and_bias(((found.features, delta1), (features1, found.delta)))
        return own, twin.of_all(found.before, grad_features)

    def _blocks(self, features: Tensor, ways: int) -> tuple[tuple[int, int], tuple[int | str, ...], dict[str, int]]:
        """Grid, (ways, padded ways, features, images and features at a time, precision), options."""
        episodes, count, size = features.shape
        exact = self.exact(features.dtype)
        tile = self.tile("head", products=exact)
        numbers = ways, _padded_size(ways), size, tile.rows, min(tile.depth, _padded_size(size)), exact
        return (triton.cdiv(count, tile.rows), episodes), numbers, tile.options

    def _weight_and_bias(self, pairs: tuple[tuple[Tensor, Tensor], ...]) -> Params:
        """The sums over images of delta x features, over all pairs, and of the first delta."""
        (features, delta), second = pairs[0], pairs[-1]
        (episodes, count, size), ways = features.shape, delta.shape[-1]
        _, (*_, rows, depth, exact), options = self._blocks(features, ways)
        weight, bias = features.new_empty((episodes, ways, size)), features.new_empty((episodes, ways))
        launch(
            head.head_weight, (triton.cdiv(size, depth), episodes),
            features, delta, *second, weight, bias, count, triton.cdiv(count, rows), len(pairs), ways,
            _padded_size(ways), size, rows, depth, exact, **options,
        )  # fmt: skip
        return {WEIGHT: weight, BIAS: bias}


def _padded_size(count: int) -> int:
    """`count` rounded up to a power of two, at least the minimum for a product."""
    return max(16, triton.next_power_of_2(count))
