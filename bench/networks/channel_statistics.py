"""Mean and variance of images [images, rows, columns, channels], and the sums that their derivatives need."""

from __future__ import annotations

import torch
from torch import Tensor


def mean_and_variance(images: Tensor) -> tuple[Tensor, Tensor]:
    """The mean and the variance of each channel: [images, rows, columns, channels] -> two tensors [channels]."""
    centre = mean(images)
    return centre, mean((images - centre).square())


def mean(images: Tensor) -> Tensor:
    """The mean of each channel, one dimension at a time. A compiled sum over all three dimensions at once is one long
    chain of additions; its rounding flipped enough ReLUs to change a meta-gradient by half a percent."""
    return images.mean(2).mean(1).mean(0)


def one_pass_mean_and_variance(images: Tensor) -> tuple[Tensor, Tensor]:
    """`mean_and_variance` in one pass over the images, not differentiable. Torch's sum over all numbers of a channel is
    accurate to only four digits, so each column is summed separately, and the results are combined."""
    columns = images.reshape(-1, images[0, 0].numel())
    both = torch.batch_norm_update_stats(columns, None, None, 0.0)
    centres, variances = (value.view(images.shape[2:]) for value in both)
    centre = centres.mean(0)
    return centre, (variances + (centres - centre).square()).mean(0)


def channel_sums(cotangent: Tensor, images: Tensor, centre: Tensor) -> tuple[Tensor, Tensor]:
    """The sums over each channel of the cotangent, and of its product with `images - centre`, in one pass: torch's
    backward of batch norm, applied to each column separately as in `one_pass_mean_and_variance`. Not differentiable."""
    columns, centres = images[0, 0].numel(), centre.repeat(images.shape[2])
    _, products, sums = torch.ops.aten.native_batch_norm_backward(
        cotangent.reshape(-1, columns), images.reshape(-1, columns), None, None, None, centres,
        torch.ones_like(centres), True, 0.0, [False, True, True],
    )  # fmt: skip
    return sums.view(images.shape[2:]).sum(0), products.view(images.shape[2:]).sum(0)
