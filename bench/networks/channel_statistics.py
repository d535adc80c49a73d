"""Mean and variance of images laid out [images, rows, columns, channels], and the sums in their derivatives."""

from __future__ import annotations

import torch
from torch import Tensor


def mean_and_variance(images: Tensor) -> tuple[Tensor, Tensor]:
    """The mean and the variance of each channel: [images, rows, columns, channels] -> two of [channels]."""
    centre = mean(images)
    return centre, mean((images - centre).square())


def mean(images: Tensor) -> Tensor:
    """The mean of each channel, a dimension at a time: compiled, a sum over all three at once is one long chain of
    additions, and its rounding turned enough ReLUs to move a meta-gradient by half a percent."""
    return images.mean(2).mean(1).mean(0)


def measured(images: Tensor) -> tuple[Tensor, Tensor]:
    """`mean_and_variance` in one pass over the images, not differentiable. Torch's sum over all numbers of a channel
    is good to four digits only, so each column has its own, and they are put together."""
    columns = images.reshape(-1, images[0, 0].numel())
    both = torch.batch_norm_update_stats(columns, None, None, 0.0)
    centres, variances = (value.view(images.shape[2:]) for value in both)
    centre = centres.mean(0)
    return centre, (variances + (centres - centre).square()).mean(0)


def summed(cotangent: Tensor, images: Tensor, centre: Tensor) -> tuple[Tensor, Tensor]:
    """The sums over each channel of the cotangent, and of its product with `images - centre`: in one pass, which is
    batch norm's own backward, over each column as above. Not differentiable."""
    columns, centres = images[0, 0].numel(), centre.repeat(images.shape[2])
    _, products, sums = torch.ops.aten.native_batch_norm_backward(
        cotangent.reshape(-1, columns), images.reshape(-1, columns), None, None, None, centres,
        torch.ones_like(centres), True, 0.0, [False, True, True],
    )  # fmt: skip
    return sums.view(images.shape[2:]).sum(0), products.view(images.shape[2:]).sum(0)
