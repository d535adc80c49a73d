"""The engine's operations on Triton kernels, for CUDA. Every sum is taken in a fixed order, without atomics, so that
equal inputs give equal bits. This module has the first layer, whose images are data, so that the moments of their
patches are measured once. For shapes see the functions with the same names in
`bench.networks.stacked.torch_operations`."""

from __future__ import annotations

from functools import cached_property

import torch
import triton
from torch import Tensor

from bench.networks.stacked.torch_first_layer import Data
from bench.networks.stacked.triton_head import Heads
from bench.networks.stacked.triton_kernels import first, patches, product
from bench.networks.stacked.triton_kernels.launch import launch
from bench.networks.stacked.triton_layers import TritonLayers
from bench.networks.stacked.triton_passes import Passes
from bench.networks.stacked.triton_sums import pooled_shape, share_in_steps, sum_parts, windows

_FILTERS_AT_ONCE = 16  # the minimum for a product


class TritonOperations(TritonLayers, Passes):
    """All operations; equal to those of `bench.networks.stacked.torch_operations` up to rounding."""

    @cached_property
    def head(self) -> Heads:
        """The functions of the head."""
        return Heads(self.products, self.tiles, self.programs)

    def data(self, images: Tensor, counted: int, strided: bool = False, once: bool = False) -> Data:
        """Images with the mean and covariance of the patches of the first `counted` images. They are measured even if
        the images are used only `once`: writing and reading the first layer is estimated to take as long."""
        if strided:
            raise NotImplementedError("strided layers have no Triton kernels")
        episodes, count, height, width, channels = images.shape
        tile, wide = self.tile("patches", width, products="ieee"), _wide(channels, 1)
        pixels = counted * height * width
        chunk = share_in_steps(pixels, max(1, self.programs // episodes), tile.depth)
        parts = images.new_empty((episodes, triton.cdiv(pixels, chunk), wide, wide), dtype=torch.float64)
        launch(
            patches.patch_products, (parts.shape[1], episodes),
            images, parts, count, counted, chunk, height, width, channels, wide, tile.depth, **tile.options,
        )  # fmt: skip
        of_all, size = sum_parts(parts, pixels), 9 * channels
        mean = of_all[:, size, :size].contiguous()
        covariance = of_all[:, :size, :size] - mean[:, :, None] * mean[:, None, :]
        return Data(images, mean, covariance, counted, False)

    def first_layer(self, data: Data, weight: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The layer's window maxima, their places, and its mean and variance."""
        images, filters = data.images, weight.shape[-1]
        greatest = images.new_empty(pooled_shape((*images.shape[:4], filters)))
        place = torch.empty_like(greatest, dtype=torch.int8)
        self._product("first", product.POOLED, (images, weight), None, (None, None, place, None, greatest), 0)
        return greatest, place, *_moments(data, weight, weight, by_episode=False)

    def first_layer_tangent(self, data: Data, weight: Tensor, weight1: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
        """The values of images * weight' at `place`, and m' and q'."""
        greatest1 = torch.empty(place.shape, dtype=weight.dtype, device=weight.device)
        tensors = None, None, place, None, greatest1
        self._product("picked", product.PICKED, (data.images, weight1), None, tensors, 0)
        return greatest1, _moments(data, weight, weight1, by_episode=True)

    def first_weight_gradient(
        self,
        data: Data,
        weight: Tensor,
        active: Tensor,
        place: Tensor,
        mean: Tensor,
        variance: Tensor,
        sums: Tensor,
        epsilon: float,
    ) -> Tensor:
        """The gradient of the first layer's weight."""
        cotangents = active, None, place, variance, None
        return self._weight(data, weight, None, cotangents, sums, None, epsilon)

    def first_weight_tangent(
        self,
        data: Data,
        weight: Tensor,
        weight1: Tensor,
        active: Tensor,
        active1: Tensor,
        place: Tensor,
        mean: Tensor,
        variance: Tensor,
        layer_sums1: Tensor,
        sums: Tensor,
        sums1: Tensor,
        epsilon: float,
    ) -> Tensor:
        """The derivative of `first_weight_gradient` in a direction."""
        cotangents = active, active1, place, variance, layer_sums1
        return self._weight(data, weight, weight1, cotangents, sums, sums1, epsilon)

    def _weight(
        self,
        data: Data,
        weight: Tensor,
        weight1: Tensor | None,
        cotangents: tuple[Tensor | None, ...],
        sums: Tensor,
        sums1: Tensor | None,
        epsilon: float,
    ) -> Tensor:
        """The gradient of the first layer's weight, or its derivative if `weight1` is given; `cotangents` are the
        kernel's arguments (active, active1, place, variance, layer_sums1)."""
        images, filters = data.images, weight.shape[-1]
        episodes, count, height, width, channels = images.shape
        exact, second, wide = self.exact(images.dtype), weight1 is not None, _wide(channels)
        tile = self.tile("greatest", width, products=exact)
        chunk = share_in_steps(4 * windows(images), max(1, self.programs // episodes), tile.depth)
        chunks = triton.cdiv(4 * windows(images), chunk)
        parts = images.new_empty((episodes, chunks, 9, channels, filters))
        launch(
            first.greatest_products, (chunks, episodes),
            images, *_as_wide(cotangents, images), parts, count, epsilon, chunk, height, width, channels, filters, wide,
            tile.depth, second, exact, **tile.options,
        )  # fmt: skip
        out, at_once = torch.empty_like(weight), min(8, triton.next_power_of_2(chunks))
        launch(
            first.finish_first, (filters // _FILTERS_AT_ONCE, episodes),
            parts, data.mean, data.covariance, weight, weight1, *cotangents[-2:], sums, sums1, out, chunks, epsilon,
            9 * channels, filters, wide, _FILTERS_AT_ONCE, triton.cdiv(chunks, at_once), at_once, second,
        )  # fmt: skip
        return out


def _as_wide(tensors: tuple[Tensor | None, ...], images: Tensor) -> list[Tensor | None]:
    """The tensors, with int64 places if images are float64: Triton 3.6 chooses the layout of a product's factor by its
    narrowest operand, and has no such layout for float64."""
    wide = images.dtype == torch.float64
    return [one.long() if one is not None and one.dtype == torch.int8 and wide else one for one in tensors]


def _wide(channels: int, more: int = 0) -> int:
    """The smallest power of two with room for a patch and `more` numbers."""
    return max(16, triton.next_power_of_2(9 * channels + more))


def _moments(data: Data, weight: Tensor, weight1: Tensor, by_episode: bool) -> Tensor:
    """mean . weight' and weight . covariance weight', [2, episodes, filters], or [episodes, 2, filters]."""
    (episodes, size), filters = data.mean.shape, weight.shape[-1]
    out = weight.new_empty((episodes, 2, filters) if by_episode else (2, episodes, filters))
    between, episode = (filters, 2 * filters) if by_episode else (episodes * filters, filters)
    launch(
        patches.moments_under, (filters // _FILTERS_AT_ONCE, episodes),
        data.mean, data.covariance, weight, weight1, out, between, episode, size, filters,
        max(16, triton.next_power_of_2(size)), _FILTERS_AT_ONCE,
    )  # fmt: skip
    return out
