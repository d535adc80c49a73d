"""The first layer, whose images are data. It is linear in its weight, so the sums that batch norm needs follow from the
mean and the covariance of the images' 3x3 patches, which are measured once. Only the window maxima of the layer are
kept; the layer itself is computed in parts that fit into the processor's cache.

For a channel c with weight w_c [9 * channels], where x is the patch around a pixel, and n the number of pixels:

    m = mean of x . w_c,  variance = w_c . covariance w_c,  sum x (L - m) = n covariance w_c
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.networks.geometry import padding
from bench.networks.stacked.torch_products import channels_first, convolve, correlate, each, scatter

_PART_BYTES = 4 * 2**20  # of the layer, at a time


class Data(NamedTuple):
    """Images [episodes, images, rows, columns, channels], with the mean and covariance of their patches [9 * channels]
    over the first `counted` images, in float64; None if they were not measured."""

    images: Tensor
    mean: Tensor | None
    covariance: Tensor | None
    counted: int
    strided: bool


def data(images: Tensor, counted: int, strided: bool = False, once: bool = False) -> Data:
    """Measures the patches, unless the images are used only `once`, when it would not pay."""
    if once:
        return Data(images, None, None, counted, strided)
    mean, covariance = each(lambda one: _moments(one[:counted], strided), images)
    return Data(images, mean, covariance, counted, strided)


def _moments(images: Tensor, strided: bool) -> tuple[Tensor, Tensor]:
    """Mean and covariance of the patches: products about each image's own centre, combined in float64."""
    before, after = padding(images.shape[1], 2) if strided else (1, 1)
    centre = images.mean((1, 2), keepdim=True)
    padded = F.pad(images, (0, 0, before, after, before, after)) - centre
    for dim in (1, 2):
        padded = padded.unfold(dim, 3, 2 if strided else 1)
    patches = padded.permute(0, 1, 2, 4, 5, 3).reshape(len(images), -1, 9 * images.shape[-1])  # [images, places, ...]
    products = torch.stack([one.T @ one for one in patches]).double() / patches.shape[1]
    centres, centre = patches.mean(1).double(), centre.flatten(1).repeat(1, 9).double()
    mean = (centres + centre).mean(0)
    away = centres + centre - mean  # deviation of each image's mean; the products are about `centre`
    within = products - centres[:, :, None] * centres[:, None]
    return mean, within.mean(0) + away.T @ away / len(away)


def first_layer(data: Data, weight: Tensor) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
    """The window maxima of x * w, their places, and each channel's mean and variance."""
    flat = weight.flatten(1, 2).double()
    mean = (data.mean[:, None] @ flat).squeeze(1)
    variance = (flat * (data.covariance @ flat)).sum(1)
    greatest, place = each(lambda *one: _greatest(*one, data.strided), data.images, weight)
    return greatest, None if data.strided else place, mean.to(weight.dtype), variance.to(weight.dtype)


def _greatest(images: Tensor, weight: Tensor, strided: bool) -> tuple[Tensor, Tensor]:
    if strided:
        return convolve(images, weight, True), images.new_empty(0)
    rows, columns = (size // 2 for size in images.shape[1:3])
    greatest = images.new_empty(len(images), rows, columns, weight.shape[-1])
    place = torch.empty_like(greatest, dtype=torch.int64)
    sizes = [len(part) for part in _parts(images, weight)]
    for part, *found in zip(*(one.split(sizes) for one in (images, greatest, place)), strict=True):
        into = dict(zip(("out", "indices"), map(channels_first, found), strict=True))
        layer = channels_first(convolve(part, weight, False))
        torch.ops.aten.max_pool2d_with_indices.out(layer, [2, 2], [2, 2], [0, 0], [1, 1], False, **into)
    return greatest, place


def first_layer_tangent(data: Data, weight: Tensor, weight1: Tensor, place: Tensor | None) -> tuple[Tensor, Tensor]:
    """x * w' at the places, and m' = mean of x . w', q' = w . covariance w' [episodes, 2, channels]."""
    flat, flat1 = (one.flatten(1, 2).double() for one in (weight, weight1))
    mean1 = (data.mean[:, None] @ flat1).squeeze(1)
    sums1 = torch.stack([mean1, (flat * (data.covariance @ flat1)).sum(1)], 1)
    if place is None:
        greatest1 = each(lambda *one: convolve(*one, True), data.images, weight1)
    else:
        greatest1 = each(_gather, data.images, weight1, place)
    return greatest1, sums1.to(weight.dtype)


def _gather(images: Tensor, weight: Tensor, place: Tensor) -> Tensor:
    found, sizes = images.new_empty(place.shape), [len(part) for part in _parts(images, weight)]
    for part, at, into in zip(*(one.split(sizes) for one in (images, place, found)), strict=True):
        layer = convolve(part, weight, False).flatten(1, 2)
        torch.gather(layer, 1, at.flatten(1, 2), out=into.flatten(1, 2))
    return found


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
    found = _correlate(data, active * _over_images(s), place)
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
    found = _correlate(data, at_places, place)
    slope1 = 3 * s**2 * s1 * products + s**3 * products1
    return found - _dense(data, [s1 * total, s * total1], [(weight, slope1), (weight1, s**3 * products)])


def _dense(data: Data, constants: list[Tensor], slopes: list[tuple[Tensor, Tensor]]) -> Tensor:
    """mean of x times the constants [episodes, channels], plus covariance w times each slope."""
    found = data.mean[..., None] * sum(constants)[:, None]
    for weight, slope in slopes:
        found = found + data.covariance @ weight.flatten(1, 2).double() * slope[:, None]
    return found.to(constants[0].dtype).unflatten(1, (9, -1))


def _correlate(data: Data, greatest: Tensor, place: Tensor | None) -> Tensor:
    """W of the images and a layer with the given values at the places and 0 elsewhere; parts are summed in order."""
    if place is None:
        return each(lambda *one: correlate(*one, data.strided), data.images, greatest)
    return each(_of_parts, data.images, greatest, place)


def _of_parts(images: Tensor, greatest: Tensor, place: Tensor) -> Tensor:
    sizes, size = [len(part) for part in _parts(images, greatest)], images.shape[1:3]
    parts = zip(*(one.split(sizes) for one in (images, greatest, place)), strict=True)
    found = [correlate(x, scatter(of[None], at[None], size)[0], False) for x, of, at in parts]
    return torch.stack(found).sum(0)


def _parts(images: Tensor, filters: Tensor) -> tuple[Tensor, ...]:
    """The images in parts, so small that the layer of a part fits into the cache."""
    bytes_an_image = images[0, ..., 0].numel() * filters.shape[-1] * filters.element_size()
    return images.split(max(1, _PART_BYTES // bytes_an_image))


def _over_images(vector: Tensor) -> Tensor:
    """[episodes, channels] -> [episodes, 1, 1, 1, channels]."""
    return vector[:, None, None, None]
