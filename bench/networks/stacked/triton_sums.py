"""How Triton's operations divide their work and sum the parts, always in the same order. Images [episodes, images,
rows, columns, channels]."""

from __future__ import annotations

from collections.abc import Sequence

import triton
from torch import Tensor

from bench.networks.stacked.triton_kernels import finish
from bench.networks.stacked.triton_kernels.launch import launch


def windows(images: Tensor) -> int:
    """The number of windows of 2x2 pixels, including incomplete ones at an odd edge."""
    _, count, height, width, _ = images.shape
    return count * ((height + 1) // 2) * ((width + 1) // 2)


def share_in_steps(count: int, split: int, step: int) -> int:
    """The share of `count` for each of `split` programs, in whole steps."""
    return triton.cdiv(triton.cdiv(count, split), step) * step


def pooled_shape(layer: Sequence[int]) -> tuple[int, ...]:
    """The shape of a layer after pooling."""
    episodes, count, height, width, filters = layer
    return episodes, count, height // 2, width // 2, filters


def sum_parts(parts: Tensor, count: int = 1) -> Tensor:
    """[episodes, parts, ...] -> their sum in a fixed order, divided by `count`, [episodes, ...]."""
    episodes, many = parts.shape[:2]
    size = parts[0, 0].numel()
    block = min(64, triton.next_power_of_2(size))
    at_once = min(64, triton.next_power_of_2(many))
    out = parts.new_empty((episodes, *parts.shape[2:]))
    grid = (triton.cdiv(size, block), episodes)
    launch(finish.finish_sums, grid, parts, out, many, count, size, triton.cdiv(many, at_once), block, at_once)
    return out
