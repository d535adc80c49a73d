"""Mean and variance of images laid out [images, rows, columns, channels]."""

from __future__ import annotations

from torch import Tensor


def mean_and_variance(images: Tensor) -> tuple[Tensor, Tensor]:
    """Of each channel: [images, rows, columns, channels] -> two of [channels]."""
    centre = mean(images)
    return centre, mean((images - centre).square())


def mean(images: Tensor) -> Tensor:
    """Of each channel, a dimension at a time: compiled, a sum over all three at once is one long chain of additions,
    and its rounding turned enough ReLUs to move a meta-gradient by half a percent."""
    return images.mean(2).mean(1).mean(0)
