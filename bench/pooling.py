"""A convolution that is max-pooled before it is normalised: its maxima, with the mean and variance to normalise by.

Batch norm without a scale (or with a positive one) and ReLU are increasing, so the greatest of a window stays the
greatest: a quarter of the numbers is left to normalise, and of the whole layer only sums are taken.

Second order differentiates the derivatives again, and autograd would do it by many passes over the whole layer, by a
convolution as large as the image for the weights, and for images that are data as well. So both derivatives are
written out: of the layer y, of which n numbers are in a channel, with S the gradient of y,

    S = of_layer + (of_greatest where the greatest were) + of_mean / n + 2 of_variance (y - mean) / n
    T = the cotangent of S, a convolution of the cotangents of the images' and the weight's gradients
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.moments import measured, summed


def convolved_and_pooled(images: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Images [images, rows, columns, channels], padded by one, under `weight` [filters, channels, 3, 3]: the greatest
    of each 2x2 window, and the mean and variance of each filter over the whole layer, [filters] each.

    Differentiable twice, as second order asks; not under `vmap`."""
    return _Layer.apply(images.contiguous(), weight, bias)[:3]


class _Layer(torch.autograd.Function):
    @staticmethod
    def forward(images: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, ...]:
        layer = _convolved(images, weight, bias)
        pooled = F.max_pool2d(layer.permute(0, 3, 1, 2), 2, return_indices=True)
        greatest, places = (each.permute(0, 2, 3, 1) for each in pooled)
        return greatest, *measured(layer), layer, places

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        (images, weight, _), (_, mean, _, layer, places) = inputs, output
        ctx.mark_non_differentiable(places)
        ctx.set_materialize_grads(False)  # or the places, of whole numbers, would be given zeros as well
        ctx.save_for_backward(images, weight, mean, layer, places)

    @staticmethod
    def backward(ctx: Any, *of_outputs: Tensor | None) -> tuple[Tensor | None, ...]:
        *of_pooled, of_layer, _ = of_outputs
        _, _, mean, _, places = ctx.saved_tensors
        shapes = places.shape, mean.shape, mean.shape
        given = (mean.new_zeros(like) if of is None else of for of, like in zip(of_pooled, shapes, strict=True))
        return _Backward.apply(*ctx.saved_tensors, *given, of_layer, ctx.needs_input_grad[0])


class _Backward(torch.autograd.Function):
    """The gradients of images (None where they are data), weight and bias."""

    @staticmethod
    def forward(
        images: Tensor,
        weight: Tensor,
        mean: Tensor,
        layer: Tensor,
        places: Tensor,
        of_greatest: Tensor,
        of_mean: Tensor,
        of_variance: Tensor,
        of_layer: Tensor | None,
        wanted: bool,
    ) -> tuple[Tensor | None, Tensor, Tensor]:
        spread = _spread(mean, layer, places, of_greatest, of_mean, of_variance, of_layer)
        return _back(spread, images, weight, wanted, bias=True)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor | None, ...]) -> None:
        *tensors, ctx.wanted = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, of_images: Tensor | None, of_weight: Tensor, of_bias: Tensor) -> tuple[Tensor | None, ...]:
        images, weight, mean, layer, places, *of_outputs = ctx.saved_tensors
        count = layer[..., 0].numel()
        slope = 2 * of_outputs[2] / count
        through = _convolved(images, of_weight, of_bias)
        to_images = to_weight = None
        if ctx.wanted:
            through += _convolved(of_images, weight, None)
            # Linear in each of its factors: with those exchanged for their cotangents, it gives the gradients of both.
            spread = _spread(mean, layer, places, *of_outputs)
            to_images, to_weight, _ = _back(spread, of_images, of_weight, True, bias=False)
        total, products = (each / count for each in summed(through, layer, mean))
        to_layer = torch.addcmul(-slope * total, through, slope)  # slope * (T - its mean), for the mean is the layer's
        to_greatest = _rows(through).gather(1, _rows(places)).view(places.shape)
        to_of_layer = None if of_outputs[3] is None else through
        return to_images, to_weight, None, to_layer, None, to_greatest, total, 2 * products, to_of_layer, None


def _spread(
    mean: Tensor,
    layer: Tensor,
    places: Tensor,
    of_greatest: Tensor,
    of_mean: Tensor,
    of_variance: Tensor,
    of_layer: Tensor | None,
) -> Tensor:
    """S, see above."""
    count = layer[..., 0].numel()
    slope = 2 * of_variance / count
    spread = torch.addcmul(of_mean / count - slope * mean, layer, slope)
    if of_layer is not None:
        spread += of_layer
    _rows(spread).scatter_add_(1, _rows(places), _rows(of_greatest))
    return spread


def _rows(images: Tensor) -> Tensor:
    """[images, rows, columns, channels] -> [images, places, channels]."""
    return images.flatten(1, 2)


def _convolved(images: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return F.conv2d(images.permute(0, 3, 1, 2), weight, bias, padding=1).permute(0, 2, 3, 1)


def _back(
    cotangent: Tensor, images: Tensor, weight: Tensor, wanted: bool, bias: bool
) -> tuple[Tensor | None, Tensor, Tensor]:
    """A convolution's own: the gradients of images (where wanted), weight and bias (where wanted)."""
    of_images, of_weight, of_bias = torch.ops.aten.convolution_backward(
        cotangent.permute(0, 3, 1, 2), images.permute(0, 3, 1, 2), weight, [len(weight)], [1, 1], [1, 1], [1, 1],
        False, [0, 0], 1, [wanted, True, bias],
    )  # fmt: skip
    return of_images.permute(0, 2, 3, 1) if wanted else None, of_weight, of_bias
