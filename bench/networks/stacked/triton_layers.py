"""The layers after the first on Triton: products, their weight gradients, and pooling. For shapes see the functions
with the same names in `bench.networks.stacked.torch_operations`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import triton
from torch import Tensor

from bench.networks.stacked.tiles import How
from bench.networks.stacked.triton_kernels import finish, product, weight_gradient
from bench.networks.stacked.triton_kernels.launch import launch
from bench.networks.stacked.triton_sums import pooled_shape, share_in_steps, sum_parts, windows


class TritonLayers(How):
    """Operations of the layers after the first."""

    def layer(
        self, x: Tensor, weight: Tensor, counted: int, strided: bool = False
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """The layer, its window maxima, their places, and mean and variance over the first `counted` images."""
        _no_stride(strided)
        shape = (*x.shape[:4], weight.shape[-1])
        layer, greatest = x.new_empty(shape), x.new_empty(pooled_shape(shape))
        place = torch.empty_like(greatest, dtype=torch.int8)
        parts = self._product("layer", product.LAYER, (x, weight), None, (None, None, place, layer, greatest), counted)
        return layer, greatest, place, *_moments(parts)

    def layer_tangent(
        self,
        x: Tensor,
        weight1: Tensor,
        x1: Tensor,
        weight: Tensor,
        layer: Tensor,
        mean: Tensor,
        place: Tensor,
        counted: int,
        strided: bool = False,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """x * weight' + x' * weight, its values at `place`, and m' and q'."""
        _no_stride(strided)
        layer1, greatest1 = torch.empty_like(layer), torch.empty(place.shape, dtype=x.dtype, device=x.device)
        tensors = layer, mean, place, layer1, greatest1
        parts = self._product("tangent", product.TANGENT, (x, weight1), (x1, weight), tensors, counted)
        return layer1, greatest1, sum_parts(parts, counted * x.shape[2] * x.shape[3])

    def data_gradient(self, spread: Tensor, weight: Tensor, size: tuple[int, int], strided: bool = False) -> Tensor:
        """The gradient of a layer's images, given the layer's gradient."""
        _no_stride(strided)
        grad_x = spread.new_empty((*spread.shape[:4], weight.shape[2]))
        self._product("data", product.PLAIN, (spread, weight), None, (None, None, None, grad_x, None), 0)
        return grad_x

    def data_gradient_dual(
        self,
        spread1: Tensor,
        weight: Tensor,
        spread: Tensor,
        weight1: Tensor,
        size: tuple[int, int],
        strided: bool = False,
    ) -> Tensor:
        """The derivative of `data_gradient` in a direction."""
        _no_stride(strided)
        grad_x = spread.new_empty((*spread.shape[:4], weight.shape[2]))
        tensors = None, None, None, grad_x, None
        self._product("dual", product.PLAIN, (spread1, weight), (spread, weight1), tensors, 0)
        return grad_x

    def weight_gradient(self, x: Tensor, spread: Tensor, strided: bool = False) -> Tensor:
        """The gradient of a layer's weight, given the layer's gradient."""
        _no_stride(strided)
        return self._weights([(x, spread)])

    def weight_gradient_dual(
        self, x: Tensor, spread1: Tensor, x1: Tensor, spread: Tensor, strided: bool = False
    ) -> Tensor:
        """The derivative of `weight_gradient` in a direction."""
        _no_stride(strided)
        return self._weights([(x, spread1), (x1, spread)])

    def _product(
        self,
        kernel: str,
        leaves: int,
        pair: tuple[Tensor, Tensor],
        second: tuple[Tensor, Tensor] | None,
        tensors: tuple[Tensor | None, ...],
        counted: int,
    ) -> Tensor:
        """Launches the product kernel; `tensors` are (layer, mean, place, out, pooled). Returns its parts."""
        (x, weight), transposed = pair, kernel in ("data", "dual")
        episodes, count, height, width, channels = x.shape
        filters = weight.shape[2] if transposed else weight.shape[3]
        tile = self.tile(kernel, width, filters, self.exact(x.dtype))
        tiles = triton.cdiv(4 * windows(x), tile.rows)
        parts = x.new_empty((episodes, tiles, 3 if leaves == product.LAYER else 2, filters))
        launch(
            product.product, (tiles, episodes),
            x, weight, *(second or (None, None)), *tensors, parts, count, counted,
            height, width, channels, filters, tile.rows, min(tile.depth, channels), 2 if second else 1, transposed,
            leaves, self.exact(x.dtype), **tile.options,
        )  # fmt: skip
        return parts

    def _weights(self, pairs: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        """The sum of the pairs' weight gradients."""
        x, spread = pairs[0]
        episodes, count, height, width, channels = x.shape
        tile = self.tile("weight", width, products=self.exact(x.dtype))
        chunk = share_in_steps(count * height * width, max(1, self.programs // (3 * episodes)), tile.depth)
        chunks = triton.cdiv(count * height * width, chunk)
        parts = x.new_empty((episodes, len(pairs) * chunks, 9, channels, spread.shape[-1]))
        for index, (images, grad_layer) in enumerate(pairs):
            launch(
                weight_gradient.weight_gradient, (chunks, 3, episodes),
                images, grad_layer, parts, count, index * chunks, len(pairs) * chunks, chunk,
                height, width, channels, spread.shape[-1], tile.depth, self.exact(x.dtype), **tile.options,
            )  # fmt: skip
        return sum_parts(parts)


def _moments(parts: Tensor) -> tuple[Tensor, Tensor]:
    """[episodes, parts, 3, filters] -> mean and variance [episodes, filters]."""
    episodes, many, _, filters = parts.shape
    mean, variance = parts.new_empty((episodes, filters)), parts.new_empty((episodes, filters))
    at_once = min(128, triton.next_power_of_2(many))
    grid, rounds = (filters // 8, episodes), triton.cdiv(many, at_once)
    launch(finish.finish_moments, grid, parts, mean, variance, many, filters, rounds, 8, at_once)
    return mean, variance


def _no_stride(strided: bool) -> None:
    if strided:
        raise NotImplementedError("strided layers have no Triton kernels")
