"""The 3x3 patches of images that are data: their moments, and the statistics of a layer that follow from them without
storing the layer.

A patch has 9 channels numbers, tap by tap; WIDE is the next power of two with room for one more, the constant 1, so
that the matrix of products has the sums of the patches in its last row. Moments are in float64, because the variance of
a filter that takes differences of neighbours is a small part of the patches' variance."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def patches_of(
    x_ptr, image, row, column, valid, HEIGHT: tl.constexpr, WIDTH: tl.constexpr, CHANNELS: tl.constexpr,
    WIDE: tl.constexpr,
):  # fmt: skip
    """[WIDE, pixels]: the patches around pixels, zero in the unused rows."""
    k = tl.arange(0, WIDE)
    down = k // (3 * CHANNELS) - 1
    right = k // CHANNELS % 3 - 1
    y = row[None, :] + down[:, None]
    x = column[None, :] + right[:, None]
    there = (k < 9 * CHANNELS)[:, None] & valid[None, :] & (y >= 0) & (y < HEIGHT) & (x >= 0) & (x < WIDTH)
    at = ((image * HEIGHT + row) * WIDTH + column)[None, :] * CHANNELS
    shift = (down * WIDTH + right) * CHANNELS + k % CHANNELS
    return tl.load(x_ptr + at + shift[:, None], mask=there, other=0.0)


@triton.jit(do_not_specialize=["IMAGES", "COUNTED"])
def patch_products(
    x_ptr, parts_ptr, IMAGES, COUNTED, CHUNK: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr,
    CHANNELS: tl.constexpr, WIDE: tl.constexpr, DEPTH: tl.constexpr,
):  # fmt: skip
    """parts [episodes, programs, WIDE, WIDE], float64: products of the patches of the first COUNTED images and of the
    constant 1; grid: chunks of pixels, episodes."""
    chunk = tl.program_id(0)
    e = tl.program_id(1)
    k = tl.arange(0, WIDE)
    x_ptr += e * IMAGES * (HEIGHT * WIDTH * CHANNELS)
    acc = tl.zeros((WIDE, WIDE), tl.float64)
    for start in range(0, CHUNK, DEPTH):
        p = chunk * CHUNK + start + tl.arange(0, DEPTH)
        valid = p < COUNTED * (HEIGHT * WIDTH)
        image = p // (HEIGHT * WIDTH)
        a = patches_of(x_ptr, image, p // WIDTH % HEIGHT, p % WIDTH, valid, HEIGHT, WIDTH, CHANNELS, WIDE)
        one = (k == 9 * CHANNELS)[:, None] & valid[None, :]
        a = tl.where(one, 1.0, a.to(tl.float64))
        acc = tl.dot(a, tl.trans(a), acc, input_precision="ieee", out_dtype=tl.float64)
    at = (e * tl.num_programs(0) + chunk) * WIDE * WIDE + k[:, None] * WIDE + k[None, :]
    tl.store(parts_ptr + at, acc)


@triton.jit
def under_covariance(covariance_ptr, w_ptr, k, c, SIZE: tl.constexpr, FILTERS: tl.constexpr):
    """covariance w for filters c, [WIDE, filters], and w itself, both in float64."""
    inside = (k < SIZE)[:, None]
    covariance = tl.load(covariance_ptr + k[:, None] * SIZE + k[None, :], mask=inside & (k < SIZE)[None, :], other=0.0)
    w = tl.load(w_ptr + k[:, None] * FILTERS + c[None, :], mask=inside, other=0.0).to(tl.float64)
    return tl.dot(covariance, w, input_precision="ieee", out_dtype=tl.float64), w


@triton.jit(do_not_specialize=["BETWEEN"])
def moments_under(
    mean_ptr, covariance_ptr, w_ptr, w1_ptr, out_ptr, BETWEEN, EPISODE: tl.constexpr, SIZE: tl.constexpr,
    FILTERS: tl.constexpr, WIDE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """mean . w1 and, at an offset of BETWEEN, w . covariance w1 for each filter; EPISODE is the stride between
    episodes. With w1 = w these are a layer's mean and variance, otherwise m' and q'; grid: blocks of filters,
    episodes."""
    e = tl.program_id(1)
    k = tl.arange(0, WIDE)
    c = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    kernel = e * SIZE * FILTERS
    under, w1 = under_covariance(covariance_ptr + e * SIZE * SIZE, w1_ptr + kernel, k, c, SIZE, FILTERS)
    w = tl.load(w_ptr + kernel + k[:, None] * FILTERS + c[None, :], mask=(k < SIZE)[:, None], other=0.0)
    mean = tl.load(mean_ptr + e * SIZE + k, mask=k < SIZE, other=0.0)
    T: tl.constexpr = out_ptr.dtype.element_ty
    out_ptr += e * EPISODE + c
    tl.store(out_ptr, tl.sum(mean[:, None] * w1, 0).to(T))
    tl.store(out_ptr + BETWEEN, tl.sum(w.to(tl.float64) * under, 0).to(T))
