"""The operations of a meta-step at the sizes of miniimagenet-5w5s, on random numbers: these are swept and compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from bench.networks.stacked.torch_first_layer import Data
from bench.networks.stacked.triton_operations import TritonOperations

EPISODES, IMAGES, FILTERS, CHANNELS, EPSILON = 2, 25, 32, 3, 1e-3
SIZES = (84, 42, 21, 10)  # of the layers
Operation = Callable[[TritonOperations], Any]


class Numbers:
    """Random tensors for a layer of this size."""

    def __init__(self, size: int, dtype: torch.dtype = torch.float32, device: str = "cuda") -> None:
        self.size, self.dtype, self.device = size, dtype, device
        self.generator = torch.Generator().manual_seed(0)

    def __call__(self, *shape: int) -> Tensor:
        """Random numbers [episodes, *shape], the same ones in every type."""
        found = torch.randn((EPISODES, *shape), generator=self.generator, dtype=torch.float64)
        return found.to(self.device, self.dtype)

    def layer(self, channels: int = FILTERS) -> Tensor:
        return self(IMAGES, self.size, self.size, channels)

    def pooled(self) -> Tensor:
        return self(IMAGES, self.size // 2, self.size // 2, FILTERS)

    def weight(self, channels: int = FILTERS) -> Tensor:
        return self(9, channels, FILTERS) / (9 * channels) ** 0.5

    def vector(self) -> Tensor:
        return self(FILTERS).abs()

    def sums(self) -> Tensor:
        return self(2, FILTERS)

    def place(self) -> Tensor:
        """A random place within every window."""
        return (self.pooled().abs() * 100).long().remainder(4).to(torch.int8)


def operations(size: int, dtype: torch.dtype = torch.float32, device: str = "cuda") -> dict[str, Operation]:
    """The operations of a layer, by the name of the tile that each uses."""
    n = Numbers(size, dtype, device)
    if size == SIZES[0]:
        return _first(n)
    x, x1, spread, spread1, weight, weight1 = (*(n.layer() for _ in range(4)), n.weight(), n.weight())
    layer, place, mean, both = n.layer(), n.place(), n.vector(), (size, size)
    return {
        "layer": lambda o: o.layer(x, weight, IMAGES),
        "tangent": lambda o: o.layer_tangent(x, weight1, x1, weight, layer, mean, place, IMAGES),
        "data": lambda o: o.data_gradient(spread, weight, both),
        "dual": lambda o: o.data_gradient_dual(spread1, weight, spread, weight1, both),
        "weight": lambda o: o.weight_gradient(x, spread),
    } | _passes(n)


def _passes(n: Numbers) -> dict[str, Operation]:
    layer, layer1, active, active1, place = n.layer(), n.layer(), n.pooled(), n.pooled(), n.place()
    mean, variance, sums = n.vector(), n.vector(), [n.sums() for _ in range(3)]
    return {
        "pass": lambda o: o.sums(active, active1, active1, mean),
        "spread": lambda o: o.spread_tangent(
            layer, layer1, active, active1, place, mean, variance, *sums, IMAGES, EPSILON
        ),
    }


def _data(n: Numbers, images: Tensor) -> Data:
    """First-layer data with random moments, which need not be those of the images."""
    size = 9 * images.shape[-1]
    mean, covariance = n(size).double(), n(size, size).double()
    return Data(images, mean, covariance @ covariance.mT / size, IMAGES, False)


def _first(n: Numbers) -> dict[str, Operation]:
    images, weight, weight1 = n.layer(CHANNELS), n.weight(CHANNELS), n.weight(CHANNELS)
    active, active1, place, mean, variance = n.pooled(), n.pooled(), n.place(), n.vector(), n.vector()
    data, sums = _data(n, images), [n.sums() for _ in range(3)]
    return {
        "patches": lambda o: o.data(images, IMAGES),
        "first": lambda o: o.first_layer(data, weight),
        "picked": lambda o: o.first_layer_tangent(data, weight, weight1, place),
        "greatest": lambda o: o.first_weight_tangent(
            data, weight, weight1, active, active1, place, mean, variance, *sums, EPSILON
        ),
        "pass": lambda o: o.sums(active, active1, active1, mean),
    }
