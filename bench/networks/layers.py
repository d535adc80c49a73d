"""Convolution, normalisation and pooling of images [images, rows, columns, channels], each in two implementations.

Both give the same values and derivatives of any order, up to rounding. Which is faster depends on the shapes and on the
compiler, so the choice is part of the execution and is recorded with it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.networks.channel_statistics import mean_and_variance
from bench.networks.geometry import padding

_TAPS = tuple(itertools.product(range(3), range(3)))


class Layers(NamedTuple):
    """The operations of a network that have several implementations. `pools_first`: images are pooled before they are
    normalised, if that gives the same result (`bench.networks.pooled_block`)."""

    convolution: Callable[..., Tensor]  # (images, weight, bias, stride)
    batch_norm: Callable[[Tensor, Tensor, Tensor, float], Tensor]
    max_pool: Callable[[Tensor], Tensor]
    pools_first: bool = False


def native_convolution(images: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
    """A 3x3 convolution with `weight` [filters, channels, 3, 3], by torch."""
    before, after = padding(images.shape[1], stride)
    if before != after:
        images, before = F.pad(images, (0, 0, before, after, before, after)), 0
    return F.conv2d(images.permute(0, 3, 1, 2), weight, bias, stride=stride, padding=before).permute(0, 2, 3, 1)


def patch_convolution(images: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
    """A 3x3 convolution as one matrix product with patches, gathered by nine slices. Under `vmap` it becomes a batched
    product, while torch's convolution with a weight per episode becomes a grouped convolution."""
    count, size, _, channels = images.shape
    before, after = padding(size, stride)
    padded = F.pad(images, (0, 0, before, after, before, after))
    out = (size + before + after - 3) // stride + 1
    end = (out - 1) * stride + 1
    patches = torch.cat([padded[:, i : i + end : stride, j : j + end : stride] for i, j in _TAPS], -1)
    kernel = weight.permute(2, 3, 1, 0).reshape(9 * channels, -1)
    return (patches.reshape(-1, 9 * channels) @ kernel + bias).reshape(count, out, out, -1)


def native_max_pool(images: Tensor) -> Tensor:
    """The maximum of each 2x2 window, by torch, whose backward on CUDA is not deterministic."""
    return F.max_pool2d(images.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)


def masked_max_pool(images: Tensor) -> Tensor:
    """The maximum of each 2x2 window, as a sum under a mask: deterministic everywhere, cheap to differentiate twice.
    Equal maxima share the gradient, which torch gives to the first one: both are subgradients."""
    rows, columns = (size // 2 for size in images.shape[1:3])
    windows = images[:, : 2 * rows, : 2 * columns].unflatten(2, (columns, 2)).unflatten(1, (rows, 2))
    greatest = windows.detach().amax((2, 4), keepdim=True)
    mask = (windows == greatest).to(windows.dtype)
    return (windows * (mask / mask.sum((2, 4), keepdim=True))).sum((2, 4))


def native_batch_norm(images: Tensor, scale: Tensor, shift: Tensor, epsilon: float) -> Tensor:
    """Batch norm by the statistics of these images, by torch. Not for use under `vmap`, where its gradient is silently
    wrong (torch 2.13)."""
    channels_first = images.permute(0, 3, 1, 2)
    return F.batch_norm(channels_first, None, None, scale, shift, training=True, eps=epsilon).permute(0, 2, 3, 1)


def written_batch_norm(images: Tensor, scale: Tensor, shift: Tensor, epsilon: float) -> Tensor:
    """Batch norm by the statistics of these images, written out."""
    mean, variance = mean_and_variance(images)
    return torch.addcmul(shift, images - mean, torch.rsqrt(variance + epsilon) * scale)


STACKED = "stacked"
KERNELS = {"stacked-ieee": "ieee", "stacked-tf32x3": "tf32x3"}  # Triton kernels -> the precision of their products
LAYERS: dict[str, Layers] = {
    "native": Layers(native_convolution, native_batch_norm, native_max_pool),
    "pooled": Layers(native_convolution, native_batch_norm, native_max_pool, pools_first=True),
    "vectorised": Layers(native_convolution, written_batch_norm, native_max_pool),
    "masked": Layers(native_convolution, written_batch_norm, masked_max_pool),
    "patches": Layers(patch_convolution, written_batch_norm, masked_max_pool),
    # Without autograd (`bench.networks.stacked`); these layers are for everything that does not run on the engine.
    STACKED: Layers(native_convolution, written_batch_norm, native_max_pool),
    **dict.fromkeys(KERNELS, Layers(native_convolution, written_batch_norm, masked_max_pool)),
}
WITHOUT_AUTOGRAD = (STACKED, *KERNELS)
ALONE = ("native", "pooled")  # for one episode at a time; the others can be vectorised


def product(precision: str, operation: Callable[..., Tensor], *factors: Tensor) -> Tensor:
    """The operation; under `bf16` with factors and result rounded to bfloat16. This is what `torch.autocast` does, but
    for the same operations in every version of torch, and under any nesting of `vmap`, `grad` and a compiler. TF32 is a
    switch of the device: `bench.devices.tf32`."""
    if precision != "bf16":
        return operation(*factors)
    return operation(*(factor.bfloat16() for factor in factors)).to(factors[0].dtype)
