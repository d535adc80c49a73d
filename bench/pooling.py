"""Max-pooling before normalising: the maxima of a layer, with the mean and variance that it is normalised by.

Batch norm without a scale (or with a positive one) and ReLU are increasing, so the greatest of a window stays the
greatest: a quarter of the numbers is left to normalise, and of the whole layer only sums are taken. Autograd would
differentiate those sums twice by passes over the whole layer; here both derivatives are written out.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.moments import mean

_WINDOW = ([2, 2], [2, 2], [0, 0], [1, 1], False)  # size, stride, padding, dilation, ceil_mode


def measured_max_pool(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Images [images, rows, columns, channels] -> the greatest of each 2x2 window, and the mean and variance of each
    channel over the whole of them, [channels] each. Differentiable twice, as second order asks; not under `vmap`."""
    greatest, centre, variance, _ = _MeasuredMaxPool.apply(images)
    return greatest, centre, variance


class _MeasuredMaxPool(torch.autograd.Function):
    @staticmethod
    def forward(images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        channels_first = images.permute(0, 3, 1, 2)
        greatest, places = F.max_pool2d(channels_first, 2, return_indices=True)
        centre = mean(images)
        variance = mean((images - centre).square_())  # in place: here nothing is differentiated
        return greatest.permute(0, 2, 3, 1), centre, variance, places

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, ...]) -> None:
        ctx.mark_non_differentiable(output[3])
        ctx.save_for_backward(inputs[0], output[1], output[3])

    @staticmethod
    def backward(ctx: Any, of_greatest: Tensor, of_mean: Tensor, of_variance: Tensor, _: Tensor) -> Tensor:
        return _Spread.apply(*ctx.saved_tensors, of_greatest, of_mean, of_variance)


class _Spread(torch.autograd.Function):
    """The gradient of the images: of_greatest where the greatest were, + of_mean / n + 2 of_variance (x - mean) / n.

    `centre`, their mean, is a function of the images, which its derivative takes into account."""

    @staticmethod
    def forward(
        images: Tensor, centre: Tensor, places: Tensor, of_greatest: Tensor, of_mean: Tensor, of_variance: Tensor
    ) -> Tensor:
        count = images[..., 0].numel()
        slope = 2 * of_variance / count
        back = torch.ops.aten.max_pool2d_with_indices_backward
        spread = back(of_greatest.permute(0, 3, 1, 2), images.permute(0, 3, 1, 2), *_WINDOW, places)
        return spread.permute(0, 2, 3, 1).addcmul_(images, slope).add_(of_mean / count - slope * centre)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        images, centre, places, _, _, of_variance = inputs
        ctx.save_for_backward(images, centre, places, of_variance)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        images, centre, places, of_variance = ctx.saved_tensors
        slope, of_mean = 2 * of_variance / images[..., 0].numel(), mean(cotangent)
        of_images = torch.addcmul(-slope * of_mean, cotangent, slope)  # slope * (cotangent - its mean)
        picked = cotangent.permute(0, 3, 1, 2).flatten(2).gather(2, places.flatten(2)).view(places.shape)
        of_slope = 2 * (mean(cotangent * images) - of_mean * centre)
        return of_images, None, None, picked.permute(0, 2, 3, 1), of_mean, of_slope
