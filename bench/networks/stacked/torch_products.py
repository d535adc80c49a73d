"""Products of 3x3 convolutions and what is computed along with them, by torch's convolutions, one episode at a time.

Images [episodes, images, rows, columns, channels]; weights [episodes, 9, channels, filters], tap 3 * row + column. With
pooling, convolutions pad by one; otherwise they have stride 2 and pad like TensorFlow's SAME. `place` is the position
of the maximum of each 2x2 window in its image, row * columns + column; the first one if several are equal. Without
pooling it is None, and the maxima are the layer itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.networks.channel_statistics import channel_sums, one_pass_mean_and_variance
from bench.networks.geometry import padding
from bench.networks.stacked import torch_places


def layer(
    x: Tensor, weight: Tensor, counted: int, strided: bool = False
) -> tuple[Tensor, Tensor, Tensor | None, Tensor, Tensor]:
    """L = x * w, the maxima of its windows, their places, and each channel's mean and variance over the first `counted`
    images."""
    whole = each(lambda *one: convolve(*one, strided), x, weight)
    greatest, place = (whole, None) if strided else max_pool(whole)
    return whole, greatest, place, *each(lambda one: one_pass_mean_and_variance(one[:counted]), whole)


def layer_tangent(
    x: Tensor,
    weight1: Tensor,
    x1: Tensor,
    weight: Tensor,
    whole: Tensor,
    mean: Tensor,
    place: Tensor | None,
    counted: int,
    strided: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """L' = x * w' + x' * w, L' at the places, and m' = mean L', q' = mean (L - m) L' [episodes, 2, channels]."""

    def tangent(x: Tensor, weight1: Tensor, x1: Tensor, weight: Tensor) -> Tensor:
        return convolve(x, weight1, strided).add_(convolve(x1, weight, strided))

    whole1 = each(tangent, x, weight1, x1, weight)
    sums1 = each(lambda *one: channel_means(*one, counted), whole1, whole, mean)
    return whole1, gather(whole1, place), sums1


def channel_means(whole1: Tensor, whole: Tensor, mean: Tensor, counted: int) -> Tensor:
    """The means of L' and of (L - m) L', over the first `counted` images [2, channels]."""
    both = torch.stack(channel_sums(whole1[:counted], whole[:counted], mean))
    return both / whole[:counted, ..., 0].numel()


def data_gradient(spread: Tensor, weight: Tensor, size: tuple[int, int], strided: bool = False) -> Tensor:
    """D(S, w): the cotangent of x [episodes, images, *size, channels], given the cotangent S of the layer."""
    return each(lambda *one: convolve_transposed(*one, size, strided), spread, weight)


def data_gradient_dual(
    spread1: Tensor, weight: Tensor, spread: Tensor, weight1: Tensor, size: tuple[int, int], strided: bool = False
) -> Tensor:
    """D(S', w) + D(S, w')."""

    def both(spread1: Tensor, weight: Tensor, spread: Tensor, weight1: Tensor) -> Tensor:
        return convolve_transposed(spread1, weight, size, strided).add_(
            convolve_transposed(spread, weight1, size, strided)
        )

    return each(both, spread1, weight, spread, weight1)


def weight_gradient(x: Tensor, spread: Tensor, strided: bool = False) -> Tensor:
    """W(x, S): the cotangent of the weight [episodes, 9, channels, filters]."""
    return each(lambda *one: correlate(*one, strided), x, spread)


def weight_gradient_dual(x: Tensor, spread1: Tensor, x1: Tensor, spread: Tensor, strided: bool = False) -> Tensor:
    """W(x, S') + W(x', S)."""
    return weight_gradient(x, spread1, strided) + weight_gradient(x1, spread, strided)


def max_pool(whole: Tensor) -> tuple[Tensor, Tensor]:
    """The maximum of each window, and its place."""
    found = F.max_pool2d(channels_first(whole.flatten(0, 1)), 2, return_indices=True)
    greatest, place = (channels_last(one).unflatten(0, whole.shape[:2]) for one in found)
    return greatest, place


def gather(whole: Tensor, place: Tensor | None) -> Tensor:
    """The values at the places."""
    if place is None:
        return whole
    if whole.is_cuda:
        return torch_places.gather(whole, place)
    return whole.flatten(2, 3).gather(2, place.flatten(2, 3)).view(place.shape)


def scatter(greatest: Tensor, place: Tensor | None, size: tuple[int, int]) -> Tensor:
    """A layer of `size` with the given values at their places, and 0 elsewhere."""
    if place is None:
        return greatest
    if greatest.is_cuda:
        spread = greatest.new_zeros(*greatest.shape[:2], *size, greatest.shape[-1])
        torch_places.add_at(spread, place, greatest)
        return spread
    images, index = (channels_first(one.flatten(0, 1)) for one in (greatest, place))
    like = channels_first(greatest.new_empty(len(images), *size, greatest.shape[-1]))  # only its shape is used
    back = torch.ops.aten.max_pool2d_with_indices_backward
    found = back(images, like, [2, 2], [2, 2], [0, 0], [1, 1], False, index)
    return channels_last(found).unflatten(0, greatest.shape[:2])


def windows(place: Tensor, columns: int) -> Tensor:
    """Places within their windows, 2 * row + column, int8; `columns`: the width of the image."""
    return (place // columns % 2 * 2 + place % columns % 2).to(torch.int8)


def indices(window: Tensor, columns: int) -> Tensor:
    """The inverse of `windows`: places within windows [episodes, images, rows // 2, columns // 2, channels] -> places
    in images."""
    row, column = (torch.arange(0, 2 * size, 2, device=window.device) for size in window.shape[2:4])
    inside = window // 2 * columns + window % 2
    return inside.long() + (row[:, None] * columns + column)[..., None]


def each(function: Callable[..., Any], *stacked: Tensor) -> Any:
    """The function applied to each episode, with its results (one, or several) stacked; a single episode is not
    copied."""
    found = [function(*one) for one in zip(*stacked, strict=True)]
    if isinstance(found[0], tuple):
        return tuple(_stack(part) for part in zip(*found, strict=True))
    return _stack(found)


def _stack(parts: Any) -> Tensor:
    return parts[0][None] if len(parts) == 1 else torch.stack(parts)


def convolve(images: Tensor, weight: Tensor, strided: bool) -> Tensor:
    """x * w of one episode: images [images, rows, columns, channels] under weight [9, channels, filters]."""
    stride, before, padded = _pad(images, strided)
    return channels_last(F.conv2d(channels_first(padded), _kernel(weight), stride=stride, padding=before))


def convolve_transposed(cotangent: Tensor, weight: Tensor, size: tuple[int, int], strided: bool) -> Tensor:
    """D(S, w) of one episode."""
    stride, before, padded = _pad(cotangent.new_empty(len(cotangent), *size, weight.shape[1]), strided)
    found = _back(cotangent, padded, _kernel(weight), stride, before, [True, False, False])[0]
    return channels_last(found)[:, : size[0], : size[1]].contiguous()


def correlate(images: Tensor, cotangent: Tensor, strided: bool) -> Tensor:
    """W(x, S) of one episode."""
    stride, before, padded = _pad(images, strided)
    like = images.new_empty(cotangent.shape[-1], images.shape[-1], 3, 3)
    found = _back(cotangent, padded, like, stride, before, [False, True, False])[1]
    return found.permute(2, 3, 1, 0).reshape(9, *found.shape[1::-1])


def _back(cotangent: Tensor, images: Tensor, kernel: Tensor, stride: int, before: int, wanted: list[bool]) -> Any:
    """Torch's backward of a convolution: the gradients of images and kernel, each if wanted. Of the argument whose
    gradient is wanted only the shape is used."""
    return torch.ops.aten.convolution_backward(
        channels_first(cotangent), channels_first(images), kernel, None,
        [stride, stride], [before, before], [1, 1], False, [0, 0], 1, wanted,
    )  # fmt: skip


def _pad(images: Tensor, strided: bool) -> tuple[int, int, Tensor]:
    """(stride, padding of the convolution, images): images are padded here if the padding before and after differs."""
    if not strided:
        return 1, 1, images
    before, after = padding(images.shape[1], 2)
    if before == after:
        return 2, before, images
    return 2, 0, F.pad(images, (0, 0, before, after, before, after))


def _kernel(weight: Tensor) -> Tensor:
    """[9, channels, filters] -> [filters, channels, 3, 3]."""
    return weight.unflatten(0, (3, 3)).permute(3, 2, 0, 1)


def channels_first(images: Tensor) -> Tensor:
    """[images, rows, columns, channels] -> torch's order of dimensions, as a view."""
    return images.permute(0, 3, 1, 2)


def channels_last(images: Tensor) -> Tensor:
    """The inverse of `channels_first`; copies only if torch chose another memory format."""
    return images.permute(0, 2, 3, 1).contiguous()
