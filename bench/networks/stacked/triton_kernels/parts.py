"""Functions that several kernels share: the position of a tile's rows, and values that each program recomputes. Pixels
are ordered window by window, so that 2x2 pooling splits the registers of a tile."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def pixel_of(rows, HEIGHT: tl.constexpr, WIDTH: tl.constexpr):
    """Rows -> (image, row, column): the windows of an image in order, and in each its four positions. An odd last row
    or column is in windows whose other positions lie outside."""
    ACROSS: tl.constexpr = (WIDTH + 1) // 2
    WINDOWS: tl.constexpr = (HEIGHT + 1) // 2 * ACROSS
    window = rows // 4
    inside = window % WINDOWS
    row = 2 * (inside // ACROSS) + rows % 4 // 2
    return window // WINDOWS, row, 2 * (inside % ACROSS) + rows % 2


@triton.jit
def window_of(windows, e, IMAGES, HEIGHT: tl.constexpr, WIDTH: tl.constexpr):
    """Windows -> (image, row and column of the first position, offset of the pooled row in [episodes, images, rows //
    2, columns // 2], whether all four positions are inside)."""
    image, row, column = pixel_of(4 * windows, HEIGHT, WIDTH)
    whole = (image < IMAGES) & (row + 1 < HEIGHT) & (column + 1 < WIDTH)
    pooled = ((e * IMAGES + image) * (HEIGHT // 2) + row // 2) * (WIDTH // 2) + column // 2
    return image, row, column, pooled, whole


@triton.jit
def by_place(tile, ROWS: tl.constexpr, FILTERS: tl.constexpr):
    """[rows, filters] -> its four positions in the windows, [rows // 4, filters] each."""
    four = tl.permute(tl.reshape(tile, (ROWS // 4, 2, 2, FILTERS)), (0, 3, 1, 2))
    left, right = tl.split(four)
    first, third = tl.split(left)
    second, fourth = tl.split(right)
    return first, second, third, fourth


@triton.jit
def scale_of(variance_ptr, at, EPSILON: tl.constexpr):
    """s of some channels."""
    return 1.0 / tl.sqrt(tl.load(variance_ptr + at) + EPSILON)


@triton.jit
def open_only(of_ptr, output_ptr, at, there):
    """The cotangent where the ReLU is active, and zero elsewhere."""
    of = tl.load(of_ptr + at, mask=there, other=0.0)
    return tl.where(tl.load(output_ptr + at, mask=there, other=0.0) > 0, of, 0.0)
