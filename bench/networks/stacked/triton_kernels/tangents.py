"""Passes of `derivative` over a layer: each is the derivative of a pass in `passes`, in the direction marked by a
prime.

`layer_sums1` [episodes, 2, filters] are m' and q', the mean of (L - m) L'; the derivative of the scale is s' = -s^3 q'.
`sums` are A and B, `sums1` A' and B'."""

from __future__ import annotations

import triton
import triton.language as tl

from bench.networks.stacked.triton_kernels.parts import open_only, scale_of, window_of


@triton.jit(do_not_specialize=["POOLED"])
def tangent(
    greatest_ptr, greatest1_ptr, output_ptr, mean_ptr, variance_ptr, layer_sums1_ptr, shift1_ptr, tangent_ptr, POOLED,
    EPSILON: tl.constexpr, FILTERS: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """output' = s' (greatest - m) + s (greatest' - m') + shift' where output > 0; `shift1_ptr` None: zero; grid: rows,
    episodes."""
    e = tl.program_id(1)
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    c = tl.arange(0, FILTERS)
    at = (e * POOLED + rows)[:, None] * FILTERS + c[None, :]
    there = (rows < POOLED)[:, None]
    s = scale_of(variance_ptr, e * FILTERS + c, EPSILON)
    mean1 = tl.load(layer_sums1_ptr + e * 2 * FILTERS + c)
    s1 = -(s * s * s) * tl.load(layer_sums1_ptr + e * 2 * FILTERS + FILTERS + c)
    away = tl.load(greatest_ptr + at, mask=there, other=0.0) - tl.load(mean_ptr + e * FILTERS + c)[None, :]
    away1 = tl.load(greatest1_ptr + at, mask=there, other=0.0) - mean1[None, :]
    value = s1[None, :] * away + s[None, :] * away1
    if shift1_ptr is not None:
        value += tl.load(shift1_ptr + e * FILTERS + c)[None, :]
    is_open = tl.load(output_ptr + at, mask=there, other=0.0) > 0
    tl.store(tangent_ptr + at, tl.where(is_open, value, 0.0), mask=there)


@triton.jit(do_not_specialize=["POOLED"])
def tangent_sums(
    of1_ptr, output_ptr, active_ptr, greatest_ptr, greatest1_ptr, mean_ptr, layer_sums1_ptr, active1_ptr, parts_ptr,
    POOLED,
    FILTERS: tl.constexpr, ROWS: tl.constexpr, ROUNDS: tl.constexpr,
):  # fmt: skip
    """a', and parts [episodes, programs, 2, filters]: sum a', and sum a' (greatest - m) + a (greatest' - m'); grid:
    ROUNDS x ROWS rows, episodes."""
    e = tl.program_id(1)
    program = tl.program_id(0)
    T: tl.constexpr = greatest_ptr.dtype.element_ty
    c = tl.arange(0, FILTERS)
    mean = tl.load(mean_ptr + e * FILTERS + c)
    mean1 = tl.load(layer_sums1_ptr + e * 2 * FILTERS + c)
    total = tl.zeros((ROWS, FILTERS), T)
    products = tl.zeros((ROWS, FILTERS), T)
    for index in range(ROUNDS):
        rows = (program * ROUNDS + index) * ROWS + tl.arange(0, ROWS)
        at = (e * POOLED + rows)[:, None] * FILTERS + c[None, :]
        there = (rows < POOLED)[:, None]
        active = tl.load(active_ptr + at, mask=there, other=0.0)
        active1 = open_only(of1_ptr, output_ptr, at, there)
        tl.store(active1_ptr + at, active1, mask=there)
        total += active1
        products += active1 * (tl.load(greatest_ptr + at, mask=there, other=0.0) - mean[None, :])
        products += active * (tl.load(greatest1_ptr + at, mask=there, other=0.0) - mean1[None, :])
    parts_ptr += (e * tl.num_programs(0) + program) * (2 * FILTERS)
    tl.store(parts_ptr + c, tl.sum(total, 0))
    tl.store(parts_ptr + FILTERS + c, tl.sum(products, 0))


@triton.jit(do_not_specialize=["IMAGES"])
def tangent_spread(
    layer_ptr, layer1_ptr, active_ptr, active1_ptr, place_ptr, mean_ptr, variance_ptr, layer_sums1_ptr, sums_ptr,
    sums1_ptr, spread_ptr, IMAGES,
    EPSILON: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr, FILTERS: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """S' = [place] (s' a + s a') - (s' A + s A') / n - (3 s^2 s' B + s^3 B') (layer - m) / n - s^3 B (layer' - m') / n;
    grid: windows, episodes."""
    e = tl.program_id(1)
    T: tl.constexpr = layer_ptr.dtype.element_ty
    windows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    image, row, column, pooled, whole = window_of(windows, e, IMAGES, HEIGHT, WIDTH)
    c = tl.arange(0, FILTERS)
    two = e * 2 * FILTERS + c
    n = (IMAGES * (HEIGHT * WIDTH)).to(T)
    mean = tl.load(mean_ptr + e * FILTERS + c)
    s = scale_of(variance_ptr, e * FILTERS + c, EPSILON)
    cube = s * s * s
    mean1 = tl.load(layer_sums1_ptr + two)
    s1 = -cube * tl.load(layer_sums1_ptr + two + FILTERS)
    products = tl.load(sums_ptr + two + FILTERS)
    flat = -(s1 * tl.load(sums_ptr + two) + s * tl.load(sums1_ptr + two)) / n
    slope = -(3.0 * s * s * s1 * products + cube * tl.load(sums1_ptr + two + FILTERS)) / n
    slope1 = -cube * products / n
    at = pooled[:, None] * FILTERS + c[None, :]
    peak = s1[None, :] * tl.load(active_ptr + at, mask=whole[:, None], other=0.0)
    peak += s[None, :] * tl.load(active1_ptr + at, mask=whole[:, None], other=0.0)
    greatest_at = tl.load(place_ptr + at, mask=whole[:, None], other=0)
    for place in tl.static_range(4):
        y = row + place // 2
        x = column + place % 2
        inside = ((image < IMAGES) & (y < HEIGHT) & (x < WIDTH))[:, None]
        there = (((e * IMAGES + image) * HEIGHT + y) * WIDTH + x)[:, None] * FILTERS + c[None, :]
        value = flat[None, :] + slope[None, :] * (tl.load(layer_ptr + there, mask=inside, other=0.0) - mean[None, :])
        value += slope1[None, :] * (tl.load(layer1_ptr + there, mask=inside, other=0.0) - mean1[None, :])
        tl.store(spread_ptr + there, value + tl.where(greatest_at == place, peak, 0.0), mask=inside)
