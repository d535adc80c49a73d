"""Products of images with 3x3 kernels, one or two in one accumulator, and what is computed from the result while it is
in registers: the pooled layer and its moments, or their derivative.

Images [episodes, images, rows, columns, channels], kernels [episodes, 9, channels, filters]; transposed, for the
gradient of images: kernels [episodes, 9, filters, channels] with the taps in reverse order. Grid: tiles of pixels,
episodes."""

from __future__ import annotations

import triton
import triton.language as tl

from bench.networks.stacked.triton_kernels.parts import by_place, pixel_of, window_of

# What a product stores: the result; the result with its pooled maxima and moments, or with the values at the maxima and
# the sums of a tangent; or, for the first layer, only the pooled maxima, or the values at the maxima.
PLAIN, LAYER, TANGENT, POOLED, PICKED = (tl.constexpr(kind) for kind in range(5))


@triton.jit(do_not_specialize=["IMAGES", "COUNTED"])
def product(
    x_ptr, w_ptr, t_ptr, v_ptr, layer_ptr, mean_ptr, place_ptr, out_ptr, pooled_ptr, parts_ptr, IMAGES, COUNTED,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, CHANNELS: tl.constexpr, FILTERS: tl.constexpr, ROWS: tl.constexpr,
    DEPTH: tl.constexpr, PAIRS: tl.constexpr, TRANSPOSED: tl.constexpr, LEAVES: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """x * w, or x * w + t * v. Parts for a layer [episodes, tiles, 3, filters]: count, mean and centred sum of squares
    over the pixels of the tile in the first COUNTED images; for a tangent [episodes, tiles, 2, filters]: its sum, and
    the sum of its product with (layer - mean)."""
    tile = tl.program_id(0)
    e = tl.program_id(1)
    image, row, column = pixel_of(tile * ROWS + tl.arange(0, ROWS), HEIGHT, WIDTH)
    valid = (image < IMAGES) & (row < HEIGHT) & (column < WIDTH)
    pixel = ((e * IMAGES + image) * HEIGHT + row) * WIDTH + column
    if CHANNELS < 16:
        acc = all_taps(x_ptr, w_ptr, e, pixel, row, column, valid, HEIGHT, WIDTH, CHANNELS, FILTERS, ROWS, PRECISION)
    else:
        acc = tap_by_tap(
            x_ptr, w_ptr, t_ptr, v_ptr, e, pixel, row, column, valid,
            HEIGHT, WIDTH, CHANNELS, FILTERS, ROWS, DEPTH, PAIRS, TRANSPOSED, PRECISION,
        )  # fmt: skip
    c = tl.arange(0, FILTERS)
    at = pixel[:, None] * FILTERS + c[None, :]
    parts = e * tl.num_programs(0) + tile
    if LEAVES == PLAIN or LEAVES == LAYER or LEAVES == TANGENT:  # noqa: SIM109 - no `in` in a kernel
        tl.store(out_ptr + at, acc, mask=valid[:, None])
    if LEAVES == LAYER:
        moments(acc, valid & (image < COUNTED), parts_ptr + parts * (3 * FILTERS), FILTERS)
    if LEAVES == TANGENT:
        away = tl.load(layer_ptr + at, mask=valid[:, None], other=0.0) - tl.load(mean_ptr + e * FILTERS + c)[None, :]
        live = tl.where(valid[:, None], acc, 0.0)
        tl.store(parts_ptr + parts * (2 * FILTERS) + c, tl.sum(live, 0))
        tl.store(parts_ptr + parts * (2 * FILTERS) + FILTERS + c, tl.sum(live * away, 0))
    if LEAVES == LAYER or LEAVES == POOLED:  # noqa: SIM109
        pool(acc, pooled_ptr, place_ptr, tile, e, IMAGES, HEIGHT, WIDTH, ROWS, FILTERS)
    if LEAVES == TANGENT or LEAVES == PICKED:  # noqa: SIM109
        pick(acc, pooled_ptr, place_ptr, tile, e, IMAGES, HEIGHT, WIDTH, ROWS, FILTERS)


@triton.jit
def all_taps(
    x_ptr, w_ptr, e, pixel, row, column, valid,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, CHANNELS: tl.constexpr, FILTERS: tl.constexpr, ROWS: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """One product for few channels, with the nine taps of all channels side by side."""
    T: tl.constexpr = x_ptr.dtype.element_ty
    WIDE: tl.constexpr = 16 if 9 * CHANNELS <= 16 else 32 if 9 * CHANNELS <= 32 else 128
    k = tl.arange(0, WIDE)
    down = k // (3 * CHANNELS) - 1
    right = k // CHANNELS % 3 - 1
    y = row[:, None] + down[None, :]
    x = column[:, None] + right[None, :]
    there = (k < 9 * CHANNELS)[None, :] & valid[:, None] & (y >= 0) & (y < HEIGHT) & (x >= 0) & (x < WIDTH)
    shift = (down * WIDTH + right) * CHANNELS + k % CHANNELS
    a = tl.load(x_ptr + (pixel * CHANNELS)[:, None] + shift[None, :], mask=there, other=0.0)
    at = e * (9 * CHANNELS * FILTERS) + k[:, None] * FILTERS + tl.arange(0, FILTERS)[None, :]
    b = tl.load(w_ptr + at, mask=(k < 9 * CHANNELS)[:, None], other=0.0)
    return tl.dot(a, b, tl.zeros((ROWS, FILTERS), T), input_precision=PRECISION, out_dtype=T)


@triton.jit
def tap_by_tap(
    x_ptr, w_ptr, t_ptr, v_ptr, e, pixel, row, column, valid,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, CHANNELS: tl.constexpr, FILTERS: tl.constexpr, ROWS: tl.constexpr,
    DEPTH: tl.constexpr, PAIRS: tl.constexpr, TRANSPOSED: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """[rows, filters]: a loop over pairs and taps, with DEPTH channels at a time."""
    T: tl.constexpr = x_ptr.dtype.element_ty
    tl.static_assert(CHANNELS % DEPTH == 0, "DEPTH must divide the channels, or some are left out")
    STEPS: tl.constexpr = CHANNELS // DEPTH
    c = tl.arange(0, FILTERS)
    acc = tl.zeros((ROWS, FILTERS), T)
    for step in range(PAIRS * 9 * STEPS):
        tap = step // STEPS % 9
        k = step % STEPS * DEPTH + tl.arange(0, DEPTH)
        down = tap // 3 - 1
        right = tap % 3 - 1
        y = row + down
        x = column + right
        there = valid & (y >= 0) & (y < HEIGHT) & (x >= 0) & (x < WIDTH)
        images = x_ptr
        kernel = w_ptr
        if PAIRS == 2:
            images = tl.where(step >= 9 * STEPS, t_ptr, x_ptr)
            kernel = tl.where(step >= 9 * STEPS, v_ptr, w_ptr)
        at = ((pixel + down * WIDTH + right) * CHANNELS)[:, None] + k[None, :]
        a = tl.load(images + at, mask=there[:, None], other=0.0)
        kernel += e * (9 * CHANNELS * FILTERS)
        if TRANSPOSED:
            b = tl.load(kernel + (8 - tap) * (CHANNELS * FILTERS) + k[:, None] + c[None, :] * CHANNELS)
        else:
            b = tl.load(kernel + tap * (CHANNELS * FILTERS) + k[:, None] * FILTERS + c[None, :])
        acc = tl.dot(a, b, acc, input_precision=PRECISION, out_dtype=T)
    return acc


@triton.jit
def moments(acc, counted, parts_ptr, FILTERS: tl.constexpr):
    """Count, mean and centred sum of squares of a tile; centred, because the difference of two sums would cancel."""
    c = tl.arange(0, FILTERS)
    count = tl.sum(counted.to(acc.dtype), 0)
    mean = tl.sum(tl.where(counted[:, None], acc, 0.0), 0) / tl.maximum(count, 1.0)
    away = tl.where(counted[:, None], acc - mean[None, :], 0.0)
    tl.store(parts_ptr + c, tl.zeros_like(mean) + count)
    tl.store(parts_ptr + FILTERS + c, mean)
    tl.store(parts_ptr + 2 * FILTERS + c, tl.sum(away * away, 0))


@triton.jit
def pool(
    acc, pooled_ptr, place_ptr, tile, e, IMAGES,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, ROWS: tl.constexpr, FILTERS: tl.constexpr,
):  # fmt: skip
    """The maximum of each whole window and its position, 0 to 3; the first one if several are equal, as in torch."""
    first, second, third, fourth = by_place(acc, ROWS, FILTERS)
    place = tl.where(second > first, 1, 0)
    best = tl.where(second > first, second, first)
    place = tl.where(third > best, 2, place)
    best = tl.where(third > best, third, best)
    place = tl.where(fourth > best, 3, place)
    best = tl.where(fourth > best, fourth, best)
    at, whole = pooled_at(tile, e, IMAGES, HEIGHT, WIDTH, ROWS, FILTERS)
    tl.store(pooled_ptr + at, best, mask=whole)
    tl.store(place_ptr + at, place.to(tl.int8), mask=whole)


@triton.jit
def pick(
    acc, pooled_ptr, place_ptr, tile, e, IMAGES,
    HEIGHT: tl.constexpr, WIDTH: tl.constexpr, ROWS: tl.constexpr, FILTERS: tl.constexpr,
):  # fmt: skip
    """The value at `place` of each whole window."""
    first, second, third, fourth = by_place(acc, ROWS, FILTERS)
    at, whole = pooled_at(tile, e, IMAGES, HEIGHT, WIDTH, ROWS, FILTERS)
    place = tl.load(place_ptr + at, mask=whole, other=0)
    late = tl.where(place == 2, third, fourth)
    tl.store(pooled_ptr + at, tl.where(place == 0, first, tl.where(place == 1, second, late)), mask=whole)


@triton.jit
def pooled_at(
    tile, e, IMAGES, HEIGHT: tl.constexpr, WIDTH: tl.constexpr, ROWS: tl.constexpr, FILTERS: tl.constexpr
):  # fmt: skip
    """The offsets of a tile's windows among the pooled [rows // 4, filters], and which windows are whole."""
    windows = tile * (ROWS // 4) + tl.arange(0, ROWS // 4)
    _, _, _, pooled, whole = window_of(windows, e, IMAGES, HEIGHT, WIDTH)
    return pooled[:, None] * FILTERS + tl.arange(0, FILTERS)[None, :], whole[:, None]
