"""The weight gradient of the first layer, whose images are data, and its derivative.

The gradient S of that layer is never stored: its values at the window maxima, marked by [place], are computed where
they are needed, and the rest enters only through sums with the patches, which follow from the patches' mean and
covariance. With x a patch:

    W(x, S)  = W(x, [place] s a) - mean s A - covariance w s^3 B
    W(x, S') = W(x, [place] (s' a + s a')) - mean (s' A + s A') - covariance w (3 s^2 s' B + s^3 B')
               - covariance w' s^3 B
"""

from __future__ import annotations

import triton
import triton.language as tl

from bench.networks.stacked.triton_kernels.parts import pixel_of, scale_of, window_of
from bench.networks.stacked.triton_kernels.patches import patches_of, under_covariance


@triton.jit
def scale1_of(layer_sums1_ptr, two, s, FILTERS: tl.constexpr):
    """s' of some channels; `two`: their offsets in [episodes, 2, filters]."""
    return -(s * s * s) * tl.load(layer_sums1_ptr + two + FILTERS)


@triton.jit(do_not_specialize=["IMAGES"])
def greatest_products(
    x_ptr, active_ptr, active1_ptr, place_ptr, variance_ptr, layer_sums1_ptr, parts_ptr, IMAGES,
    EPSILON: tl.constexpr, CHUNK: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr, CHANNELS: tl.constexpr,
    FILTERS: tl.constexpr, WIDE: tl.constexpr, DEPTH: tl.constexpr, SECOND: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """parts [episodes, programs, 9 channels, filters]: W(x, [place] s a), or with SECOND W(x, [place] (s' a + s a'));
    grid: chunks of pixels, window by window, and episodes."""
    chunk = tl.program_id(0)
    e = tl.program_id(1)
    T: tl.constexpr = x_ptr.dtype.element_ty
    k = tl.arange(0, WIDE)
    c = tl.arange(0, FILTERS)
    s = scale_of(variance_ptr, e * FILTERS + c, EPSILON)
    x_ptr += e * IMAGES * (HEIGHT * WIDTH * CHANNELS)
    acc = tl.zeros((WIDE, FILTERS), T)
    for start in range(0, CHUNK, DEPTH):
        rows = chunk * CHUNK + start + tl.arange(0, DEPTH)
        image, row, column = pixel_of(rows, HEIGHT, WIDTH)
        _, _, _, pooled, whole = window_of(rows // 4, e, IMAGES, HEIGHT, WIDTH)
        a = patches_of(x_ptr, image, row, column, whole, HEIGHT, WIDTH, CHANNELS, WIDE)
        at = pooled[:, None] * FILTERS + c[None, :]
        active = tl.load(active_ptr + at, mask=whole[:, None], other=0.0)
        if SECOND:
            s1 = scale1_of(layer_sums1_ptr, e * 2 * FILTERS + c, s, FILTERS)
            active1 = tl.load(active1_ptr + at, mask=whole[:, None], other=0.0)
            peak = s1[None, :] * active + s[None, :] * active1
        else:
            peak = s[None, :] * active
        greatest = tl.load(place_ptr + at, mask=whole[:, None], other=0) == (rows % 4)[:, None]
        acc = tl.dot(a, tl.where(greatest, peak, 0.0), acc, input_precision=PRECISION, out_dtype=T)
    parts_ptr += (e * tl.num_programs(0) + chunk) * (9 * CHANNELS * FILTERS)
    tl.store(parts_ptr + k[:, None] * FILTERS + c[None, :], acc, mask=(k < 9 * CHANNELS)[:, None])


@triton.jit(do_not_specialize=["PARTS"])
def finish_first(
    parts_ptr, mean_ptr, covariance_ptr, w_ptr, w1_ptr, variance_ptr, layer_sums1_ptr, sums_ptr, sums1_ptr, out_ptr,
    PARTS, EPSILON: tl.constexpr, SIZE: tl.constexpr, FILTERS: tl.constexpr, WIDE: tl.constexpr, BLOCK: tl.constexpr,
    ROUNDS: tl.constexpr, AT_ONCE: tl.constexpr, SECOND: tl.constexpr,
):  # fmt: skip
    """The sum of the parts, in order, minus the remaining terms of the formulas above; grid: blocks of filters,
    episodes."""
    e = tl.program_id(1)
    T: tl.constexpr = parts_ptr.dtype.element_ty
    k = tl.arange(0, WIDE)
    c = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = (k < SIZE)[:, None]
    at = e * SIZE * FILTERS + k[:, None] * FILTERS + c[None, :]
    two = e * 2 * FILTERS + c
    s = scale_of(variance_ptr, e * FILTERS + c, EPSILON)
    total = tl.load(sums_ptr + two)
    products = tl.load(sums_ptr + two + FILTERS)
    of_mean = s * total
    slope = s * s * s * products
    rest = tl.zeros((WIDE, BLOCK), tl.float64)
    if SECOND:
        s1 = scale1_of(layer_sums1_ptr, two, s, FILTERS)
        of_mean = s1 * total + s * tl.load(sums1_ptr + two)
        under1, _ = under_covariance(covariance_ptr + e * SIZE * SIZE, w1_ptr + e * SIZE * FILTERS, k, c, SIZE, FILTERS)
        rest += under1 * slope[None, :]
        slope = 3.0 * s * s * s1 * products + s * s * s * tl.load(sums1_ptr + two + FILTERS)
    under, _ = under_covariance(covariance_ptr + e * SIZE * SIZE, w_ptr + e * SIZE * FILTERS, k, c, SIZE, FILTERS)
    mean = tl.load(mean_ptr + e * SIZE + k, mask=k < SIZE, other=0.0)
    rest += under * slope[None, :] + mean[:, None] * of_mean[None, :]
    acc = tl.zeros((AT_ONCE, WIDE, BLOCK), T)
    kernel = (k[:, None] * FILTERS + c[None, :])[None, :, :]
    for index in range(ROUNDS):
        part = (index * AT_ONCE + tl.arange(0, AT_ONCE))[:, None, None]
        there = (part < PARTS) & inside[None, :, :]
        acc += tl.load(parts_ptr + (e * PARTS + part) * (SIZE * FILTERS) + kernel, mask=there, other=0.0)
    tl.store(out_ptr + at, tl.sum(acc, 0) - rest.to(T), mask=inside)
