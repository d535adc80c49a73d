"""Elementwise operations on a layer between the products: batch norm without a scale, ReLU, and their first and second
derivatives.

Images [episodes, images, rows, columns, channels], vectors [episodes, channels]. For a channel: m is its mean and s its
(variance + epsilon) ** -0.5 over n pixels, L the layer, G its window maxima (`greatest`), a (`active`) the cotangent of
the output where the ReLU is active; A and B (`sums`) are the sums of a and of a (G - m). A 1 or a prime marks the
derivative in a direction."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.networks.channel_statistics import channel_sums
from bench.networks.stacked.torch_products import each, scatter


def normalise(greatest: Tensor, mean: Tensor, variance: Tensor, shift: Tensor, epsilon: float) -> Tensor:
    """relu(s (G - m) + shift)."""
    s = _scale(variance, epsilon)
    return torch.addcmul(_wide(shift - s * mean), greatest, _wide(s)).relu_()


def sums(grad_output: Tensor, output: Tensor, greatest: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
    """a, the cotangent of the output where the ReLU is active, and A = sum a, B = sum a (G - m) [episodes, 2,
    channels]."""
    active = _where_open(grad_output, output)
    return active, each(lambda *one: torch.stack(channel_sums(*one)), active, greatest, mean)


def spread(
    whole: Tensor,
    active: Tensor,
    place: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    sums: Tensor,
    counted: int,
    epsilon: float,
) -> Tensor:
    """S, the gradient of the layer: s a at the places, and in the first `counted` images, from which the statistics
    were computed, - s A / n - s**3 B (L - m) / n."""
    s, n = _scale(variance, epsilon), whole[0, :counted, ..., 0].numel()
    total, products = sums.unbind(1)
    constant, slope = -s * total / n, -(s**3) * products / n
    found = scatter(active * _wide(s), place, whole.shape[2:4])
    found[:, :counted] += torch.addcmul(_wide(constant - slope * mean), whole[:, :counted], _wide(slope))
    return found


def output_tangent(
    greatest: Tensor,
    greatest1: Tensor,
    output: Tensor,
    mean: Tensor,
    variance: Tensor,
    layer_sums1: Tensor,
    shift1: Tensor | None,
    epsilon: float,
) -> Tensor:
    """o' = s' (G - m) + s (G' - m') + shift' where o > 0, with s' = -s**3 q'."""
    s, s1 = _scales(variance, layer_sums1, epsilon)
    constant = -s1 * mean - s * layer_sums1[:, 0] + (0 if shift1 is None else shift1)
    found = torch.addcmul(_wide(constant), greatest, _wide(s1)).addcmul_(greatest1, _wide(s))
    return _where_open(found, output)


def sums_tangent(
    grad_output1: Tensor,
    output: Tensor,
    active: Tensor,
    greatest: Tensor,
    greatest1: Tensor,
    mean: Tensor,
    layer_sums1: Tensor,
) -> tuple[Tensor, Tensor]:
    """a', and A' = sum a', B' = sum a' (G - m) + a (G' - m') [episodes, 2, channels]."""
    active1 = _where_open(grad_output1, output)

    def both(
        active: Tensor, active1: Tensor, greatest: Tensor, greatest1: Tensor, mean: Tensor, mean1: Tensor
    ) -> Tensor:
        total1, products1 = channel_sums(active1, greatest, mean)
        return torch.stack([total1, products1 + channel_sums(active, greatest1, mean1)[1]])

    return active1, each(both, active, active1, greatest, greatest1, mean, layer_sums1[:, 0])


def spread_tangent(
    whole: Tensor,
    whole1: Tensor,
    active: Tensor,
    active1: Tensor,
    place: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    layer_sums1: Tensor,
    sums: Tensor,
    sums1: Tensor,
    counted: int,
    epsilon: float,
) -> Tensor:
    """S' = s' a + s a' at the places, and in the first `counted` images
    - (s' A + s A') / n - (3 s**2 s' B + s**3 B') (L - m) / n - s**3 B (L' - m') / n."""
    s, s1 = _scales(variance, layer_sums1, epsilon)
    n = whole[0, :counted, ..., 0].numel()
    (total, products), (total1, products1) = sums.unbind(1), sums1.unbind(1)
    constant = -(s1 * total + s * total1) / n
    slope, slope1 = -(3 * s**2 * s1 * products + s**3 * products1) / n, -(s**3) * products / n
    at_places = torch.addcmul(active * _wide(s1), active1, _wide(s))
    found = scatter(at_places, place, whole.shape[2:4])
    base = _wide(constant - slope * mean - slope1 * layer_sums1[:, 0])
    dense = torch.addcmul(base, whole[:, :counted], _wide(slope)).addcmul_(whole1[:, :counted], _wide(slope1))
    found[:, :counted] += dense
    return found


def _where_open(of: Tensor, output: Tensor) -> Tensor:
    """`of` where the output is greater than 0, and 0 elsewhere."""
    return torch.ops.aten.threshold_backward(of, output, 0)


def _scale(variance: Tensor, epsilon: float) -> Tensor:
    return torch.rsqrt(variance + epsilon)


def _scales(variance: Tensor, layer_sums1: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """s, and s' = -s**3 q'."""
    s = _scale(variance, epsilon)
    return s, -(s**3) * layer_sums1[:, 1]


def _wide(vector: Tensor) -> Tensor:
    """[episodes, channels] -> [episodes, 1, 1, 1, channels]."""
    return vector[:, None, None, None]
