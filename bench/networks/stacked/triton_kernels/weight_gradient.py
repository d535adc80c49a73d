"""The gradient of 3x3 kernels: a sum over pixels, split among programs, whose results are summed in a fixed order."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit(do_not_specialize=["IMAGES", "FIRST", "SPLITS"])
def weight_gradient(
    x_ptr,
    s_ptr,
    parts_ptr,
    IMAGES,
    FIRST,
    SPLITS,
    CHUNK: tl.constexpr,
    HEIGHT: tl.constexpr,
    WIDTH: tl.constexpr,
    CHANNELS: tl.constexpr,
    FILTERS: tl.constexpr,
    DEPTH: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Images x [episodes, images, rows, columns, channels] and the gradient s [..., filters] of their product -> parts
    [episodes, SPLITS, 9, channels, filters] from FIRST on: one program sums CHUNK pixels, for one row of three taps.
    Grid: chunks, rows of taps, episodes."""
    chunk = tl.program_id(0)
    taps = tl.program_id(1)
    e = tl.program_id(2)
    pixels = IMAGES * (HEIGHT * WIDTH)
    x_ptr += e * pixels * CHANNELS
    s_ptr += e * pixels * FILTERS
    parts_ptr += (e * SPLITS + FIRST + chunk) * (9 * CHANNELS * FILTERS)
    three_taps(x_ptr, s_ptr, parts_ptr, chunk, taps, pixels, CHUNK, HEIGHT, WIDTH, CHANNELS, FILTERS, DEPTH, PRECISION)


@triton.jit
def three_taps(
    x_ptr, s_ptr, parts_ptr, chunk, taps, pixels, CHUNK: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr,
    CHANNELS: tl.constexpr, FILTERS: tl.constexpr, DEPTH: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """[channels, filters] in each of three accumulators, which share the loads of s."""
    T: tl.constexpr = x_ptr.dtype.element_ty
    k = tl.arange(0, CHANNELS)
    c = tl.arange(0, FILTERS)
    down = taps - 1
    left = tl.zeros((CHANNELS, FILTERS), T)
    middle = tl.zeros((CHANNELS, FILTERS), T)
    right = tl.zeros((CHANNELS, FILTERS), T)
    for start in range(0, CHUNK, DEPTH):
        p = chunk * CHUNK + start + tl.arange(0, DEPTH)
        y = p // WIDTH % HEIGHT + down
        x = p % WIDTH
        there = (p < pixels) & (y >= 0) & (y < HEIGHT)
        s = tl.load(s_ptr + p[:, None] * FILTERS + c[None, :], mask=(p < pixels)[:, None], other=0.0)
        at = x_ptr + (p + down * WIDTH)[:, None] * CHANNELS + k[None, :]
        before = tl.load(at - CHANNELS, mask=(there & (x > 0))[:, None], other=0.0)
        here = tl.load(at, mask=there[:, None], other=0.0)
        after = tl.load(at + CHANNELS, mask=(there & (x < WIDTH - 1))[:, None], other=0.0)
        left = tl.dot(tl.trans(before), s, left, input_precision=PRECISION, out_dtype=T)
        middle = tl.dot(tl.trans(here), s, middle, input_precision=PRECISION, out_dtype=T)
        right = tl.dot(tl.trans(after), s, right, input_precision=PRECISION, out_dtype=T)
    at = parts_ptr + (taps * 3 * CHANNELS + k)[:, None] * FILTERS + c[None, :]
    tl.store(at, left)
    tl.store(at + CHANNELS * FILTERS, middle)
    tl.store(at + 2 * CHANNELS * FILTERS, right)
