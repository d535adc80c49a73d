"""The first layer, whose images are data. It is linear in its weight, so what batch norm sums over it comes from the
mean and the covariance of the images' 3x3 patches, which are measured once; nothing is kept of the layer but its
greatest, and the layer itself stands in the memory in parts that stay in the processor's cache.

For a channel c with weight w_c [9 * channels], x the patch of a place, n places:

    m = mean of x . w_c,  variance = w_c . covariance w_c,  sum x (L - m) = n covariance w_c
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.networks.layers import padding
from bench.networks.stacked.torch_products import convolved, correlated, each, picked, placed, pooled

_PART_BYTES = 4 * 2**20  # of the layer, at once


class Data(NamedTuple):
    """Images [episodes, images, rows, columns, channels] with the moments of their patches
    [9 * channels] over the first `counted` images, in float64."""

    images: Tensor
    mean: Tensor
    covariance: Tensor
    counted: int
    strided: bool


def data(images: Tensor, counted: int, strided: bool = False) -> Data:
    """Measures the patches."""
    mean, covariance = each(lambda one: _moments(one[:counted], strided), images)
    return Data(images, mean, covariance, counted, strided)


def _moments(images: Tensor, strided: bool) -> tuple[Tensor, Tensor]:
    """Mean and covariance of the patches: of each image, put together in float64."""
    before, after = padding(images.shape[1], 2) if strided else (1, 1)
    patches = F.pad(images, (0, 0, before, after, before, after))
    for dim in (1, 2):
        patches = patches.unfold(dim, 3, 2 if strided else 1)
    patches = patches.permute(0, 1, 2, 4, 5, 3).flatten(3).flatten(1, 2)  # [images, places, 9 * channels]
    centres = patches.mean(1, keepdim=True)
    within = torch.stack([(one - centre).T @ (one - centre) for one, centre in zip(patches, centres, strict=True)])
    centres, within = centres.squeeze(1).double(), within.double() / patches.shape[1]
    mean = centres.mean(0)
    return mean, within.mean(0) + (centres - mean).T @ (centres - mean) / len(centres)


def first_layer(data: Data, weight: Tensor) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
    """The greatest of x * w, their places, and each channel's mean and variance."""
    flat = weight.flatten(1, 2).double()
    mean = (data.mean[:, None] @ flat).squeeze(1)
    variance = (flat * (data.covariance @ flat)).sum(1)
    greatest, place = each(lambda *one: _greatest(*one, data.strided), data.images, weight)
    return greatest, None if data.strided else place, mean.to(weight.dtype), variance.to(weight.dtype)


def _greatest(images: Tensor, weight: Tensor, strided: bool) -> tuple[Tensor, Tensor]:
    if strided:
        return convolved(images, weight, True), images.new_empty(0)
    parts = [pooled(convolved(part, weight, False)[None]) for part in _parts(images, weight)]
    greatest, place = (torch.cat(part, 1)[0] for part in zip(*parts, strict=True))
    return greatest, place


def first_layer_tangent(data: Data, weight: Tensor, weight1: Tensor, place: Tensor | None) -> tuple[Tensor, Tensor]:
    """x * w' at the places, and m' = mean of x . w', q' = w . covariance w' [episodes, 2, channels]."""
    flat, flat1 = (one.flatten(1, 2).double() for one in (weight, weight1))
    mean1 = (data.mean[:, None] @ flat1).squeeze(1)
    sums1 = torch.stack([mean1, (flat * (data.covariance @ flat1)).sum(1)], 1)
    if place is None:
        greatest1 = each(lambda *one: convolved(*one, True), data.images, weight1)
    else:
        greatest1 = each(_picked, data.images, weight1, place)
    return greatest1, sums1.to(weight.dtype)


def _picked(images: Tensor, weight: Tensor, place: Tensor) -> Tensor:
    sizes = [len(part) for part in _parts(images, weight)]
    parts = zip(images.split(sizes), place.split(sizes), strict=True)
    return torch.cat([picked(convolved(part, weight, False)[None], at[None])[0] for part, at in parts])


def first_weight_gradient(
    data: Data,
    weight: Tensor,
    active: Tensor,
    place: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    sums: Tensor,
    epsilon: float,
) -> Tensor:
    """W(x, S) = W(x, s a at the places) - mean of x s A - covariance w s**3 B."""
    s, (total, products) = torch.rsqrt(variance + epsilon), sums.unbind(1)
    found = _correlated(data, active * _over_images(s), place)
    return found - _dense(data, [s * total], [(weight, s**3 * products)])


def first_weight_tangent(
    data: Data,
    weight: Tensor,
    weight1: Tensor,
    active: Tensor,
    active1: Tensor,
    place: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    layer_sums1: Tensor,
    sums: Tensor,
    sums1: Tensor,
    epsilon: float,
) -> Tensor:
    """W(x, S') = W(x, s' a + s a' at the places) - mean of x (s' A + s A')
    - covariance w (3 s**2 s' B + s**3 B') - covariance w' s**3 B."""
    s = torch.rsqrt(variance + epsilon)
    s1 = -(s**3) * layer_sums1[:, 1]
    (total, products), (total1, products1) = sums.unbind(1), sums1.unbind(1)
    at_places = torch.addcmul(active * _over_images(s1), active1, _over_images(s))
    found = _correlated(data, at_places, place)
    slope1 = 3 * s**2 * s1 * products + s**3 * products1
    return found - _dense(data, [s1 * total, s * total1], [(weight, slope1), (weight1, s**3 * products)])


def _dense(data: Data, constants: list[Tensor], slopes: list[tuple[Tensor, Tensor]]) -> Tensor:
    """mean of x times the constants [episodes, channels], and covariance w times each slope."""
    found = data.mean[..., None] * sum(constants)[:, None]
    for weight, slope in slopes:
        found = found + data.covariance @ weight.flatten(1, 2).double() * slope[:, None]
    return found.to(constants[0].dtype).unflatten(1, (9, -1))


def _correlated(data: Data, greatest: Tensor, place: Tensor | None) -> Tensor:
    """W of the images and of what stands at the places, 0 elsewhere; parts are summed in their order."""
    if place is None:
        return each(lambda *one: correlated(*one, data.strided), data.images, greatest)
    return each(_of_parts, data.images, greatest, place)


def _of_parts(images: Tensor, greatest: Tensor, place: Tensor) -> Tensor:
    sizes, size = [len(part) for part in _parts(images, greatest)], images.shape[1:3]
    parts = zip(*(one.split(sizes) for one in (images, greatest, place)), strict=True)
    found = [correlated(x, placed(of[None], at[None], size)[0], False) for x, of, at in parts]
    return torch.stack(found).sum(0)


def _parts(images: Tensor, filters: Tensor) -> tuple[Tensor, ...]:
    """So many images that their layer of as many channels as `filters` has last fits the cache."""
    bytes_an_image = images[0, ..., 0].numel() * filters.shape[-1] * filters.element_size()
    return images.split(max(1, _PART_BYTES // bytes_an_image))


def _over_images(vector: Tensor) -> Tensor:
    """[episodes, channels] -> [episodes, 1, 1, 1, channels]."""
    return vector[:, None, None, None]
