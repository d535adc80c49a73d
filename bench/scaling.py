"""Images [images, rows, columns, channels] times a number for each channel, plus another, with both derivatives
written out: autograd's take twice the passes over the images."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bench.moments import summed


def scaled(images: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """`images * scale + shift`. Differentiable twice, as second order asks; not under `vmap`."""
    return _Scaled.apply(images, scale, shift)


class _Scaled(torch.autograd.Function):
    @staticmethod
    def forward(images: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        return torch.addcmul(shift, images, scale)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:2])

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor, ...]:
        return _Back.apply(cotangent, *ctx.saved_tensors)


class _Back(torch.autograd.Function):
    """(cotangent, images, scale) -> the gradients of images, scale and shift."""

    @staticmethod
    def forward(cotangent: Tensor, images: Tensor, scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        of_shift, of_scale = summed(cotangent, images, torch.zeros_like(scale))
        return cotangent * scale, of_scale, of_shift

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, of_images: Tensor, of_scale: Tensor, of_shift: Tensor) -> tuple[Tensor, ...]:
        cotangent, images, scale = ctx.saved_tensors
        through = torch.addcmul(of_shift, images, of_scale).addcmul_(of_images, scale)
        return through, cotangent * of_scale, summed(cotangent, of_images, torch.zeros_like(scale))[1]
