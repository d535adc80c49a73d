"""The loss of stacked episodes, its gradient, and the derivative of the gradient in a direction, without autograd.

A Hessian H is symmetric, so the backward pass through an inner step theta' = theta - lr g(theta) is a Hessian-vector
product: a cotangent c of theta' becomes c - lr H c, the cotangent of theta. No step is computed twice, as long as what
all steps keep fits into memory."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor

from bench.networks.stacked import head
from bench.networks.stacked.blocks import Block, Blocks, Params
from bench.networks.stacked.head import Head


class InnerStep(NamedTuple):
    """The intermediate results that the derivative of a gradient needs; `blocks` None: to be recomputed."""

    params: Params
    data: Any
    labels: Tensor
    moments: list[tuple[Tensor, Tensor]]  # mean and variance of every layer, without its bias
    blocks: list[Block] | None
    head: Head | None

    @property
    def statistics(self) -> Params:
        """Mean and variance of every layer, including its bias, with the network's names."""
        found: Params = {}
        for k, (mean, variance) in enumerate(self.moments, 1):
            found |= {f"norm{k}.mean": mean + self.params[f"conv{k}.bias"], f"norm{k}.variance": variance}
        return found


@dataclass(frozen=True)
class StackedEngine:
    """Conv4 with batch norm by the statistics of the current images, and cross-entropy.

    `operations`: a module or object such as `torch_operations`; `strided`: convolutions of stride 2 instead of pooling;
    `averages`: the head's inputs are averaged over positions instead of flattened; `bound_bytes`: the memory that all
    inner steps may use for intermediate results."""

    operations: Any
    epsilon: float
    strided: bool
    averages: bool
    bound_bytes: int

    def data(self, images: Tensor, support: Tensor | None = None, once: bool = False) -> Any:
        """Images [episodes, images, channels, rows, columns] as the engine takes them. If `support` is given, they
        follow it, and the support's statistics are used for all. `once`: only one gradient will be computed, and no
        derivative."""
        counted, images = images, images if support is None else torch.cat([support, images], 1)
        count = (counted if support is None else support).shape[1]
        return self.operations.data(images.movedim(2, -1).contiguous(), count, self.strided, once)

    def features(self, params: Params, data: Any) -> Tensor:
        """The inputs of the head [episodes, images, features], without those of the support. `outputs`, and `gradient`
        of the head alone, accept them in place of images."""
        output = self._blocks.forward(params, data)[-1].output
        behind = data.counted if data.counted < output.shape[1] else 0
        return self._features(output)[:, behind:]

    def outputs(self, params: Params, data: Any) -> Tensor:
        """[episodes, images, ways], without the outputs for the support."""
        features = data if isinstance(data, Tensor) else self.features(params, data)
        return self.operations.head.outputs(params, features)

    def gradient(
        self,
        params: Params,
        data: Any,
        labels: Tensor,
        only: Collection[str] | None = None,
        following: int | None = None,
    ) -> tuple[Tensor, Params, InnerStep]:
        """The loss [episodes] of the last images, as many as have labels; its gradient for the parameters in `only`, or
        for all; and the step that `derivative` takes. The step keeps its intermediate results if `following`, the
        number of later steps that must fit into memory beside it, is given, and they fit."""
        value, gradient, step = self._gradient(params, data, labels, only, keep=following is not None)
        fits = following is not None and (following + 1) * _bytes(step.blocks) <= self.bound_bytes
        return value, gradient, step if fits else step._replace(blocks=None, head=None)

    def derivative(self, step: InnerStep, direction: Params) -> Params:
        """H v: the derivative, in a direction, of the gradient for all parameters. Parameters that the direction does
        not name stay fixed."""
        if step.blocks is None:
            *_, step = self._gradient(step.params, step.data, step.labels, direction, keep=True)
        assert step.blocks is not None and step.head is not None
        if all(name in (head.WEIGHT, head.BIAS) for name in direction):
            found, grad_features = self.operations.head.derivative(step.head, None, direction)
            grad_output = self._of_output(grad_features, step.blocks[-1].output)
            return found | self._blocks.backward(list(step.blocks), grad_output, step.data.counted, keep=False)[0]
        moved, output1 = self._blocks.tangent(step.blocks, direction)
        found, grad_features1 = self.operations.head.derivative(step.head, self._features(output1), direction)
        grad_output1 = self._of_output(grad_features1, output1)
        return found | self._blocks.backward_tangent(step.blocks, moved, grad_output1)

    def _gradient(
        self, params: Params, data: Any, labels: Tensor, only: Collection[str] | None, keep: bool
    ) -> tuple[Tensor, Params, InnerStep]:
        if isinstance(data, Tensor):
            return self._head_gradient(params, data, labels)
        blocks = self._blocks.forward(params, data)
        moments = [(block.mean, block.variance) for block in blocks]
        value, ends = self.operations.head.loss(params, self._features(blocks[-1].output), labels)
        found, grad_features = self.operations.head.gradient(ends)
        if only is None or not all(name in found for name in only):
            grad_output = self._of_output(grad_features, blocks[-1].output)
            rest, blocks = self._blocks.backward(blocks, grad_output, data.counted, keep)
            found |= rest
        gradient = {name: found[name] for name in (found if only is None else only)}
        return value, gradient, InnerStep(params, data, labels, moments, blocks, ends)

    def _head_gradient(self, params: Params, features: Tensor, labels: Tensor) -> tuple[Tensor, Params, InnerStep]:
        value, ends = self.operations.head.loss(params, features, labels)
        return value, self.operations.head.gradient(ends)[0], InnerStep(params, features, labels, [], None, ends)

    @cached_property
    def _blocks(self) -> Blocks:
        return Blocks(self.operations, self.epsilon, self.strided)

    def _features(self, output: Tensor) -> Tensor:
        """[episodes, images, rows, columns, channels] -> [episodes, images, features], channels first."""
        return output.mean((2, 3)) if self.averages else output.movedim(-1, 2).flatten(2)

    def _of_output(self, grad_features: Tensor, output: Tensor) -> Tensor:
        """The cotangent of the output, given the cotangent of the features."""
        rows, columns, channels = output.shape[2:]
        if self.averages:
            return (grad_features / (rows * columns))[:, :, None, None].expand(output.shape).contiguous()
        return grad_features.unflatten(2, (channels, rows, columns)).movedim(2, -1).contiguous()


def _bytes(blocks: list[Block] | None) -> int:
    """The memory of the blocks' tensors, each counted once."""
    held = {id(part): part.nbytes for block in blocks or () for part in block if isinstance(part, Tensor)}
    return sum(held.values())
