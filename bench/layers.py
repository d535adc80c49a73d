"""Convolution and pooling on images laid out [images, rows, columns, channels], each written in two ways.

Both ways give the same values and derivatives beyond rounding, of any order. Which is faster depends on the shapes and
on what compiles them, so the choice belongs to the execution and is recorded with it.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

_TAPS = tuple(product(range(3), range(3)))


class Layers(NamedTuple):
    """The operations of a network that have more than one way of being carried out."""

    convolution: Callable[[Tensor, Tensor, Tensor, int], Tensor]
    max_pool: Callable[[Tensor], Tensor]


def padding(size: int, stride: int) -> tuple[int, int]:
    """What a 3x3 convolution pads before and after: as TensorFlow's SAME does."""
    return (0, 1) if stride == 2 and size % 2 == 0 else (1, 1)


def native_convolution(images: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
    """3x3 with `weight` [filters, channels, 3, 3], by torch's own; it runs in torch's `channels_last`."""
    before, after = padding(images.shape[1], stride)
    if before != after:
        images, before = F.pad(images, (0, 0, before, after, before, after)), 0
    return F.conv2d(images.permute(0, 3, 1, 2), weight, bias, stride=stride, padding=before).permute(0, 2, 3, 1)


def patch_convolution(images: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
    """The same as one product of patches, gathered by nine slices: under `vmap` a batched product, where a native
    convolution with a weight for each episode becomes a grouped one."""
    count, size, _, channels = images.shape
    before, after = padding(size, stride)
    padded = F.pad(images, (0, 0, before, after, before, after))
    out = (size + before + after - 3) // stride + 1
    end = (out - 1) * stride + 1
    patches = torch.cat([padded[:, i : i + end : stride, j : j + end : stride] for i, j in _TAPS], -1)
    kernel = weight.permute(2, 3, 1, 0).reshape(9 * channels, -1)
    return (patches.reshape(-1, 9 * channels) @ kernel + bias).reshape(count, out, out, -1)


def native_max_pool(images: Tensor) -> Tensor:
    """The greatest of each 2x2 window, by torch's own, whose backward on CUDA is not deterministic."""
    return F.max_pool2d(images.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)


def sliced_max_pool(images: Tensor) -> Tensor:
    """The same by comparisons. The gradient goes to the first of equals, row by row, as torch's own does."""
    rows, columns = (size // 2 * 2 for size in images.shape[1:3])
    a, b, c, d = (images[:, i:rows:2, j:columns:2] for i, j in product((0, 1), (0, 1)))
    upper, lower = torch.where(a >= b, a, b), torch.where(c >= d, c, d)
    return torch.where(upper >= lower, upper, lower)


LAYERS: dict[str, Layers] = {
    "native": Layers(native_convolution, native_max_pool),
    "native, sliced pooling": Layers(native_convolution, sliced_max_pool),
    "patches": Layers(patch_convolution, sliced_max_pool),
}
