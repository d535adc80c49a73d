"""Launches kernels. They address tensors by 32-bit offsets from the first element: a view with gaps, or a tensor that
is too large, would silently be read wrong, and is refused."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def launch(kernel: Any, grid: tuple[int, ...], *arguments: Any, **options: int) -> None:
    """Launches `kernel` on a grid of programs, on the device of its tensors."""
    tensors = {index: one for index, one in enumerate(arguments) if isinstance(one, Tensor)}
    for index, one in tensors.items():
        assert one.is_contiguous(), f"{kernel.__name__}: argument {index} is a view with gaps"
        assert one.numel() < 2**31, f"{kernel.__name__}: argument {index} is too large: take a smaller chunk"
    with torch.cuda.device_of(next(iter(tensors.values()))):  # Triton launches on the current device
        kernel[grid](*arguments, **options)
