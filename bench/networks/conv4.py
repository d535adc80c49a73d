"""The network of a benchmark: Conv4 as used in the field, as pure functions of (parameters, images), or an MLP.

A network also estimates its costs, which `bench.training.modes` uses to choose how a step is executed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.networks import initialisation
from bench.networks.channel_statistics import mean_and_variance
from bench.networks.conv4_costs import BLOCKS, Conv4Costs
from bench.networks.geometry import max_pool_by_one
from bench.networks.inputs import seen as seen_inputs
from bench.networks.layers import KERNELS, LAYERS, product
from bench.networks.mlp import Mlp
from bench.networks.pooled_block import pooled_block
from bench.networks.stacked import torch_operations
from bench.networks.stacked.engine import StackedEngine
from bench.protocols.benchmarks import FUNCTIONS, Benchmark
from bench.protocols.protocol import Training

_LEAST_SCALE = 1e-12  # of a batch norm after pooling, which is divided by it
Params = dict[str, Tensor]
Statistics = dict[str, Tensor]


@dataclass(frozen=True)
class Conv4(Conv4Costs):
    """Four blocks of 3x3 convolution, batch norm, ReLU and downsampling by two, then a linear head.

    Parameters: `conv<k>.weight` [filters, channels, 3, 3], `conv<k>.bias`, `norm<k>.shift` (beta) and, where the
    protocol has it, `norm<k>.scale` (gamma), `head.weight` [outputs, features], `head.bias`.
    """

    def engine(self, bound_bytes: int) -> StackedEngine:
        """An engine for the loss and its derivatives without autograd, whose inner steps may keep this many bytes."""
        averages = self.training.head_input == "mean"
        return StackedEngine(
            _operations(self.layers), self.training.batch_norm_epsilon, self._strided, averages, bound_bytes
        )

    def _activated(self, hidden: Tensor) -> Tensor:
        return F.relu(hidden) if self._has_relu else F.leaky_relu(hidden)

    @property
    def _pools_first(self) -> bool:
        return self._may_pool_first and LAYERS[self.layers].pools_first

    @property
    def feature_count(self) -> int:
        """The number of inputs of the head."""
        if self.training.head_input == "mean":
            return self.training.filters
        return self.training.filters * self._geometry.after(self.input_shape[1]) ** 2

    def init(self, generator: torch.Generator, outputs: int) -> Params:
        """Initial parameters in float32 on the CPU; the convolutions are drawn first, the head last."""
        params: Params = {}
        channels = self.input_shape[0]
        for k in BLOCKS:
            side = self._geometry.kernel(k)
            weight = torch.empty(self.training.filters, channels, side, side)
            params |= initialisation.linear(f"conv{k}", weight, generator, self.training.initialisation)
            params[f"norm{k}.shift"] = torch.zeros(self.training.filters)
            if self.training.batch_norm_scale:
                params[f"norm{k}.scale"] = self._fresh_gamma(generator)
            channels = self.training.filters
        return params | self.init_head(generator, outputs)

    def _fresh_gamma(self, generator: torch.Generator) -> Tensor:
        """[filters], the initial scale of one batch norm: from U(0, 1) as in Torch and in PyTorch before 1.2, or
        ones."""
        if self.training.batch_norm_gamma == "uniform":
            return torch.rand(self.training.filters, generator=generator)
        return torch.ones(self.training.filters)

    def init_head(self, generator: torch.Generator, outputs: int, like: str = "head") -> Params:
        """Initial parameters of the head alone, drawn as the protocol draws heads, or (`like="conv"`) as it draws
        convolutions."""
        weight = torch.empty(outputs, self.feature_count)
        kind = self.training.initialisation
        if like == "conv" and kind == "glorot-normal-head":
            kind = "glorot"
        return initialisation.linear("head", weight, generator, kind)

    def __call__(self, params: Params, images: Tensor, statistics: Statistics | None = None) -> Tensor:
        """Images [images, channels, height, width] -> outputs [images, outputs]."""
        return self.head(params, self.features(params, images, statistics))

    def head(self, params: Params, features: Tensor) -> Tensor:
        """Features [images, features] -> outputs [images, outputs]."""
        return product(self.precision, F.linear, features, params["head.weight"], params["head.bias"])

    def features(
        self,
        params: Params,
        images: Tensor,
        statistics: Statistics | None = None,
        seen: Statistics | None = None,
    ) -> Tensor:
        """The head's inputs [images, features]; normalised with `statistics`, or else with those of `images`. If `seen`
        is given, the mean and variance of every layer, computed from `images`, are stored in it."""
        # [images, rows, columns, channels] from here on
        hidden = seen_inputs(self.training.inputs, images).movedim(1, -1)
        for k in BLOCKS:
            hidden = self._block(k, params, hidden, statistics, seen)
        if self.training.head_input == "mean":
            return hidden.mean((1, 2))
        return hidden.movedim(-1, 1).flatten(1)

    def observed(self, params: Params, images: Tensor) -> Statistics:
        """The mean and variance of every layer, computed from these images."""
        seen: Statistics = {}
        self.features(params, images, seen=seen)
        return seen

    def _block(
        self, k: int, params: Params, images: Tensor, statistics: Statistics | None, seen: Statistics | None
    ) -> Tensor:
        if self._pools_first and statistics is None:
            return self._pooled_block(k, params, images, seen)
        weight, bias = params[f"conv{k}.weight"], params[f"conv{k}.bias"]
        layers, geometry = LAYERS[self.layers], self._geometry
        convolution: Callable[..., Tensor] = partial(layers.convolution, stride=2 if self._strided else 1)
        if geometry.written_here:
            convolution = partial(geometry.convolution, k)
        hidden = product(self.precision, convolution, images, weight, bias)
        if geometry.norm_first:
            hidden = self._activated(self._batch_norm(k, params, hidden, statistics, seen))
        else:
            hidden = self._batch_norm(k, params, self._activated(hidden), statistics, seen)
        if geometry.pooled_by_one(k):
            return max_pool_by_one(hidden)
        return hidden if self._strided else layers.max_pool(geometry.padded(hidden))

    def _pooled_block(self, k: int, params: Params, images: Tensor, seen: Statistics | None) -> Tensor:
        """A block that pools before it normalises. Batch norm with scale g and shift b, relu(g z + b), equals |g|
        relu(z' + b / |g|), where z' comes from the layer whose filters are multiplied by the sign of g. That is
        increasing in z', so the maximum of a window stays the maximum."""
        weight, bias, shift = (params[name] for name in (f"conv{k}.weight", f"conv{k}.bias", f"norm{k}.shift"))
        size, sign = torch.ones_like(shift), torch.ones_like(shift)
        if self.training.batch_norm_scale:
            scale = params[f"norm{k}.scale"]
            size, sign = scale.abs().clamp_min(_LEAST_SCALE), torch.where(scale < 0, -sign, sign)
            weight, bias, shift = weight * sign[:, None, None, None], bias * sign, shift / size
        output, mean, variance = pooled_block(images, weight, bias, shift, self.training.batch_norm_epsilon)
        if seen is not None:
            seen[f"norm{k}.mean"], seen[f"norm{k}.variance"] = mean * sign, variance
        return output * size if self.training.batch_norm_scale else output

    def _batch_norm(
        self, k: int, params: Params, hidden: Tensor, statistics: Statistics | None, seen: Statistics | None
    ) -> Tensor:
        shift, epsilon = params[f"norm{k}.shift"], self.training.batch_norm_epsilon
        scale = params[f"norm{k}.scale"] if self.training.batch_norm_scale else torch.ones_like(shift)
        if seen is not None:
            seen[f"norm{k}.mean"], seen[f"norm{k}.variance"] = mean_and_variance(hidden)
        if statistics is None:
            return LAYERS[self.layers].batch_norm(hidden, scale, shift, epsilon)
        mean, variance = statistics[f"norm{k}.mean"], statistics[f"norm{k}.variance"]
        return torch.addcmul(shift, hidden - mean, torch.rsqrt(variance + epsilon) * scale)


@cache
def _operations(layers: str) -> Any:
    """An engine's operations for layers of this name: torch's own, or Triton's kernels, whose products have the
    precision in `KERNELS`."""
    if layers not in KERNELS:
        return torch_operations
    from bench.networks.stacked.triton_operations import TritonOperations

    return TritonOperations(KERNELS[layers])


def network(
    benchmark: Benchmark, training: Training, layers: str = "vectorised", given: int = 0, precision: str = "fp32"
) -> Conv4 | Mlp:
    """The benchmark's network under this protocol; `given`: how many parameters of a function are added to every
    input."""
    if benchmark.form == FUNCTIONS:
        return Mlp(benchmark.input_shape[0] + given, training, precision)
    return conv4(benchmark, training, layers, precision)


def conv4(benchmark: Benchmark, training: Training, layers: str = "vectorised", precision: str = "fp32") -> Conv4:
    """The network of a benchmark with images."""
    channels, height, width = benchmark.input_shape
    return Conv4((channels, height, width), training, layers, precision)
