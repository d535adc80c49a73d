"""The network of the field, Conv4, as pure functions of (parameters, images)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.benchmarks import Benchmark
from bench.layers import LAYERS, mean_and_variance
from bench.protocol import Training

_BLOCKS = (1, 2, 3, 4)
Params = dict[str, Tensor]
Statistics = dict[str, Tensor]


@dataclass(frozen=True)
class Conv4:
    """Four blocks of 3x3 convolution, batch norm, ReLU and downsampling by two, then a linear head.

    Parameters: `conv<k>.weight` [filters, channels, 3, 3], `conv<k>.bias`, `norm<k>.shift` (beta) and, where the
    protocol has it, `norm<k>.scale` (gamma), `head.weight` [outputs, features], `head.bias`.
    """

    image_shape: tuple[int, int, int]
    training: Training
    layers: str = "vectorised"  # one of `bench.layers.LAYERS`
    precision: str = "fp32"  # one of `bench.protocol.PRECISIONS`

    @property
    def feature_count(self) -> int:
        """Inputs of the head."""
        if self.training.head_input == "mean":
            return self.training.filters
        size = self.image_shape[1]
        for _ in _BLOCKS:
            size = (size + 1) // 2 if self.training.downsampling == "stride" else size // 2
        return self.training.filters * size * size

    def init(self, generator: torch.Generator, outputs: int) -> Params:
        """Fresh parameters in float32 on the CPU; the convolutions are drawn first, the head last."""
        params: Params = {}
        channels = self.image_shape[0]
        for k in _BLOCKS:
            weight = torch.empty(self.training.filters, channels, 3, 3)
            params |= self._init_linear(f"conv{k}", weight, generator, self._initialisation("conv"))
            params[f"norm{k}.shift"] = torch.zeros(self.training.filters)
            if self.training.batch_norm_scale:
                params[f"norm{k}.scale"] = torch.ones(self.training.filters)
            channels = self.training.filters
        return params | self.init_head(generator, outputs)

    def init_head(self, generator: torch.Generator, outputs: int, like: str = "head") -> Params:
        """A fresh head alone, drawn as the protocol draws heads, or (`like="conv"`) as it draws convolutions."""
        weight = torch.empty(outputs, self.feature_count)
        return self._init_linear("head", weight, generator, self._initialisation(like))

    def __call__(self, params: Params, images: Tensor, statistics: Statistics | None = None) -> Tensor:
        """Images [images, channels, height, width] -> outputs [images, outputs]."""
        return self.head(params, self.features(params, images, statistics))

    def head(self, params: Params, features: Tensor) -> Tensor:
        """Features [images, features] -> outputs [images, outputs]."""
        return self._product(F.linear, features, params["head.weight"], params["head.bias"])

    def features(
        self,
        params: Params,
        images: Tensor,
        statistics: Statistics | None = None,
        seen: Statistics | None = None,
    ) -> Tensor:
        """The head's inputs [images, features]; normalised with `statistics`, or with those of the images at hand.

        Into `seen`, if given, go mean and variance of every layer, as the images at hand have them."""
        layers, stride = LAYERS[self.layers], 2 if self.training.downsampling == "stride" else 1
        hidden = images.movedim(1, -1)  # [images, rows, columns, channels] from here on
        for k in _BLOCKS:
            weight, bias = params[f"conv{k}.weight"], params[f"conv{k}.bias"]
            hidden = self._product(partial(layers.convolution, stride=stride), hidden, weight, bias)
            hidden = F.relu(self._batch_norm(k, params, hidden, statistics, seen))
            if self.training.downsampling == "max-pool":
                hidden = layers.max_pool(hidden)
        if self.training.head_input == "mean":
            return hidden.mean((1, 2))
        return hidden.movedim(-1, 1).flatten(1)

    def observed(self, params: Params, images: Tensor) -> Statistics:
        """Mean and variance of every layer, as these images have them."""
        seen: Statistics = {}
        self.features(params, images, seen=seen)
        return seen

    def _batch_norm(
        self, k: int, params: Params, hidden: Tensor, statistics: Statistics | None, seen: Statistics | None
    ) -> Tensor:
        shift, epsilon = params[f"norm{k}.shift"], self.training.batch_norm_epsilon
        scale = params[f"norm{k}.scale"] if self.training.batch_norm_scale else torch.ones_like(shift)
        if seen is not None:
            seen[f"norm{k}.mean"], seen[f"norm{k}.variance"] = mean_and_variance(hidden)
        if statistics is None:
            return LAYERS[self.layers].batch_norm(hidden, scale, shift, epsilon)
        factor = torch.rsqrt(statistics[f"norm{k}.variance"] + epsilon) * scale
        return torch.addcmul(shift, hidden - statistics[f"norm{k}.mean"], factor)

    def _product(self, operation: Callable[..., Tensor], *factors: Tensor) -> Tensor:
        """As it is, or with factors and result rounded to bfloat16: what `torch.autocast` does, but for the same
        operations in every version of torch, and through any nesting of `vmap`, `grad` and a compiler."""
        if self.precision != "bf16":
            return operation(*factors)
        return operation(*(factor.bfloat16() for factor in factors)).to(factors[0].dtype)

    def _initialisation(self, part: str) -> str:
        if self.training.initialisation == "glorot-normal-head":
            return "normal" if part == "head" else "glorot"
        return self.training.initialisation

    @staticmethod
    def _init_linear(name: str, weight: Tensor, generator: torch.Generator, kind: str) -> Params:
        bias = torch.zeros(weight.shape[0])
        if kind == "normal":
            weight.normal_(generator=generator)
        elif kind == "glorot":
            torch.nn.init.xavier_uniform_(weight, generator=generator)
        else:  # PyTorch's default: both uniform within 1 / sqrt(fan in)
            bound = weight[0].numel() ** -0.5
            weight.uniform_(-bound, bound, generator=generator)
            bias.uniform_(-bound, bound, generator=generator)
        return {f"{name}.weight": weight, f"{name}.bias": bias}


def conv4(benchmark: Benchmark, training: Training, layers: str = "vectorised", precision: str = "fp32") -> Conv4:
    """The benchmark's network under this protocol."""
    return Conv4(benchmark.image_shape, training, layers, precision)
