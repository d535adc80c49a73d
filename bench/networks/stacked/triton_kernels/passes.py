"""Passes of `gradient` over a layer: normalisation, the sums of the cotangent, and the layer's gradient (the spread).

Every program recomputes the scale s = (variance + epsilon) ** -0.5 and other vectors per channel, because a separate
launch costs more. m is the mean, A and B are `sums`, n is the number of pixels; a (`active`) is the cotangent of the
output where the ReLU is active."""

from __future__ import annotations

import triton
import triton.language as tl

from bench.networks.stacked.triton_kernels.parts import open_only, scale_of, window_of


@triton.jit(do_not_specialize=["POOLED"])
def normalise(
    greatest_ptr, mean_ptr, variance_ptr, shift_ptr, output_ptr, POOLED,
    EPSILON: tl.constexpr, FILTERS: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """output = relu(s (greatest - m) + shift), [episodes, POOLED, filters]; grid: rows, episodes."""
    e = tl.program_id(1)
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    c = e * FILTERS + tl.arange(0, FILTERS)
    at = (e * POOLED + rows)[:, None] * FILTERS + tl.arange(0, FILTERS)[None, :]
    there = (rows < POOLED)[:, None]
    away = tl.load(greatest_ptr + at, mask=there, other=0.0) - tl.load(mean_ptr + c)[None, :]
    value = away * scale_of(variance_ptr, c, EPSILON)[None, :] + tl.load(shift_ptr + c)[None, :]
    tl.store(output_ptr + at, tl.maximum(value, 0.0), mask=there)


@triton.jit(do_not_specialize=["POOLED"])
def cotangent_sums(
    of_ptr, output_ptr, greatest_ptr, mean_ptr, active_ptr, parts_ptr, POOLED,
    FILTERS: tl.constexpr, ROWS: tl.constexpr, ROUNDS: tl.constexpr,
):  # fmt: skip
    """a, and parts [episodes, programs, 2, filters]: sum a, and sum a (greatest - m); grid: ROUNDS x ROWS rows,
    episodes."""
    e = tl.program_id(1)
    program = tl.program_id(0)
    T: tl.constexpr = greatest_ptr.dtype.element_ty
    c = tl.arange(0, FILTERS)
    mean = tl.load(mean_ptr + e * FILTERS + c)
    total = tl.zeros((ROWS, FILTERS), T)
    products = tl.zeros((ROWS, FILTERS), T)
    for index in range(ROUNDS):
        rows = (program * ROUNDS + index) * ROWS + tl.arange(0, ROWS)
        at = (e * POOLED + rows)[:, None] * FILTERS + c[None, :]
        there = (rows < POOLED)[:, None]
        active = open_only(of_ptr, output_ptr, at, there)
        tl.store(active_ptr + at, active, mask=there)
        total += active
        products += active * (tl.load(greatest_ptr + at, mask=there, other=0.0) - mean[None, :])
    parts_ptr += (e * tl.num_programs(0) + program) * (2 * FILTERS)
    tl.store(parts_ptr + c, tl.sum(total, 0))
    tl.store(parts_ptr + FILTERS + c, tl.sum(products, 0))


@triton.jit(do_not_specialize=["IMAGES", "COUNTED"])
def spread(
    layer_ptr, active_ptr, place_ptr, mean_ptr, variance_ptr, sums_ptr, spread_ptr, IMAGES, COUNTED,
    EPSILON: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr, FILTERS: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """S = [place] s a, and in the first COUNTED images, n pixels, minus s A / n + s^3 B (layer - m) / n; grid: windows,
    episodes."""
    e = tl.program_id(1)
    T: tl.constexpr = layer_ptr.dtype.element_ty
    windows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    image, row, column, pooled, whole = window_of(windows, e, IMAGES, HEIGHT, WIDTH)
    c = tl.arange(0, FILTERS)
    n = (COUNTED * (HEIGHT * WIDTH)).to(T)
    mean = tl.load(mean_ptr + e * FILTERS + c)
    s = scale_of(variance_ptr, e * FILTERS + c, EPSILON)
    flat = -s * tl.load(sums_ptr + e * 2 * FILTERS + c) / n
    slope = -(s * s * s) * tl.load(sums_ptr + e * 2 * FILTERS + FILTERS + c) / n
    at = pooled[:, None] * FILTERS + c[None, :]
    peak = tl.load(active_ptr + at, mask=whole[:, None], other=0.0) * s[None, :]
    greatest_at = tl.load(place_ptr + at, mask=whole[:, None], other=0)
    for place in tl.static_range(4):
        y = row + place // 2
        x = column + place % 2
        inside = ((image < IMAGES) & (y < HEIGHT) & (x < WIDTH))[:, None]
        there = (((e * IMAGES + image) * HEIGHT + y) * WIDTH + x)[:, None] * FILTERS + c[None, :]
        away = tl.load(layer_ptr + there, mask=inside, other=0.0) - mean[None, :]
        value = tl.where((image < COUNTED)[:, None], flat[None, :] + slope[None, :] * away, 0.0)
        tl.store(spread_ptr + there, value + tl.where(greatest_at == place, peak, 0.0), mask=inside)
