"""The linear head with mean cross-entropy, and its derivative: z = X h + c, p = softmax z, d = (p - y) / N.

Features X [episodes, images, features], weight h [episodes, ways, features]. BLOCK images and DEPTH features at a time;
WAYS is the next power of two, at least 16, because products require it."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def tile(pointer, rows, columns, ROWS_END, COLUMNS_END):
    """[rows, columns] of a matrix whose rows have length COLUMNS_END; zero outside the matrix."""
    there = (rows < ROWS_END)[:, None] & (columns < COLUMNS_END)[None, :]
    return tl.load(pointer + rows[:, None] * COLUMNS_END + columns[None, :], mask=there, other=0.0)


@triton.jit
def outputs(
    x_ptr,
    h_ptr,
    rows,
    ways,
    IMAGES,
    COUNT: tl.constexpr,
    FEATURES: tl.constexpr,
    DEPTH: tl.constexpr,
    acc,
    PRECISION: tl.constexpr,
):
    """acc + X h, [rows, ways]."""
    for start in range(0, FEATURES, DEPTH):
        k = start + tl.arange(0, DEPTH)
        x = tile(x_ptr, rows, k, IMAGES, FEATURES)
        h = tile(h_ptr, ways, k, COUNT, FEATURES)
        acc = tl.dot(x, tl.trans(h), acc, input_precision=PRECISION, out_dtype=acc.dtype)
    return acc


@triton.jit(do_not_specialize=["IMAGES"])
def head(
    x_ptr, h_ptr, bias_ptr, labels_ptr, losses_ptr, probability_ptr, delta_ptr, grad_x_ptr, IMAGES,
    COUNT: tl.constexpr, WAYS: tl.constexpr, FEATURES: tl.constexpr, BLOCK: tl.constexpr, DEPTH: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """losses [episodes, images], p and d [episodes, images, ways], and the gradient of X, d h; grid: blocks of images,
    episodes."""
    e = tl.program_id(1)
    T: tl.constexpr = x_ptr.dtype.element_ty
    rows = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    ways = tl.arange(0, WAYS)
    x_ptr += e * IMAGES * FEATURES
    h_ptr += e * COUNT * FEATURES
    z = outputs(x_ptr, h_ptr, rows, ways, IMAGES, COUNT, FEATURES, DEPTH, tl.zeros((BLOCK, WAYS), T), PRECISION)
    z += tl.load(bias_ptr + e * COUNT + ways, mask=ways < COUNT, other=0.0)[None, :]
    z = tl.where((ways < COUNT)[None, :], z, float("-inf"))
    z -= tl.max(z, 1)[:, None]
    total = tl.sum(tl.exp(z), 1)
    p = tl.exp(z) / total[:, None]
    label = tl.load(labels_ptr + e * IMAGES + rows, mask=rows < IMAGES, other=0)
    right = ways[None, :] == label[:, None]
    delta = tl.where(right, p - 1.0, p) / IMAGES.to(T)
    tl.store(losses_ptr + e * IMAGES + rows, tl.log(total) - tl.sum(tl.where(right, z, 0.0), 1), mask=rows < IMAGES)
    at = (e * IMAGES + rows)[:, None] * COUNT + ways[None, :]
    there = (rows < IMAGES)[:, None] & (ways < COUNT)[None, :]
    tl.store(probability_ptr + at, p, mask=there)
    tl.store(delta_ptr + at, delta, mask=there)
    for start in range(0, FEATURES, DEPTH):
        k = start + tl.arange(0, DEPTH)
        grad_x = tl.dot(delta, tile(h_ptr, ways, k, COUNT, FEATURES), input_precision=PRECISION, out_dtype=T)
        inside = (rows < IMAGES)[:, None] & (k < FEATURES)[None, :]
        tl.store(grad_x_ptr + (e * IMAGES + rows)[:, None] * FEATURES + k[None, :], grad_x, mask=inside)


@triton.jit(do_not_specialize=["IMAGES"])
def head_tangent(
    x_ptr, x1_ptr, h_ptr, h1_ptr, bias1_ptr, probability_ptr, delta_ptr, delta1_ptr, grad_x_ptr, IMAGES,
    COUNT: tl.constexpr, WAYS: tl.constexpr, FEATURES: tl.constexpr, BLOCK: tl.constexpr, DEPTH: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """z' = X' h + X h' + c', d' = p (z' - sum p z') / N, and the gradient of X, d' h + d h'; grid: blocks of images,
    episodes."""
    e = tl.program_id(1)
    T: tl.constexpr = x_ptr.dtype.element_ty
    rows = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    ways = tl.arange(0, WAYS)
    x_ptr += e * IMAGES * FEATURES
    x1_ptr += e * IMAGES * FEATURES
    h_ptr += e * COUNT * FEATURES
    h1_ptr += e * COUNT * FEATURES
    z1 = outputs(x1_ptr, h_ptr, rows, ways, IMAGES, COUNT, FEATURES, DEPTH, tl.zeros((BLOCK, WAYS), T), PRECISION)
    z1 = outputs(x_ptr, h1_ptr, rows, ways, IMAGES, COUNT, FEATURES, DEPTH, z1, PRECISION)
    z1 += tl.load(bias1_ptr + e * COUNT + ways, mask=ways < COUNT, other=0.0)[None, :]
    p = tile(probability_ptr + e * IMAGES * COUNT, rows, ways, IMAGES, COUNT)
    delta = tile(delta_ptr + e * IMAGES * COUNT, rows, ways, IMAGES, COUNT)
    delta1 = p * (z1 - tl.sum(p * z1, 1)[:, None]) / IMAGES.to(T)
    there = (rows < IMAGES)[:, None] & (ways < COUNT)[None, :]
    tl.store(delta1_ptr + (e * IMAGES + rows)[:, None] * COUNT + ways[None, :], delta1, mask=there)
    for start in range(0, FEATURES, DEPTH):
        k = start + tl.arange(0, DEPTH)
        grad_x = tl.dot(delta1, tile(h_ptr, ways, k, COUNT, FEATURES), input_precision=PRECISION, out_dtype=T)
        grad_x = tl.dot(delta, tile(h1_ptr, ways, k, COUNT, FEATURES), grad_x, input_precision=PRECISION, out_dtype=T)
        inside = (rows < IMAGES)[:, None] & (k < FEATURES)[None, :]
        tl.store(grad_x_ptr + (e * IMAGES + rows)[:, None] * FEATURES + k[None, :], grad_x, mask=inside)


@triton.jit(do_not_specialize=["IMAGES"])
def head_weight(
    x_ptr, d_ptr, x1_ptr, d1_ptr, weight_ptr, bias_ptr, IMAGES, ROUNDS: tl.constexpr, PAIRS: tl.constexpr,
    COUNT: tl.constexpr, WAYS: tl.constexpr, FEATURES: tl.constexpr, BLOCK: tl.constexpr, DEPTH: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """d X, or d X + d1 X1, summed over all images [episodes, ways, features], and the sum of d; grid: blocks of
    features, episodes."""
    e = tl.program_id(1)
    T: tl.constexpr = x_ptr.dtype.element_ty
    k = tl.program_id(0) * DEPTH + tl.arange(0, DEPTH)
    ways = tl.arange(0, WAYS)
    acc = tl.zeros((WAYS, DEPTH), T)
    total = tl.zeros((WAYS,), T)
    for index in range(ROUNDS):
        rows = index * BLOCK + tl.arange(0, BLOCK)
        d = tile(d_ptr + e * IMAGES * COUNT, rows, ways, IMAGES, COUNT)
        x = tile(x_ptr + e * IMAGES * FEATURES, rows, k, IMAGES, FEATURES)
        acc = tl.dot(tl.trans(d), x, acc, input_precision=PRECISION, out_dtype=T)
        total += tl.sum(d, 0)
        if PAIRS == 2:
            d = tile(d1_ptr + e * IMAGES * COUNT, rows, ways, IMAGES, COUNT)
            x = tile(x1_ptr + e * IMAGES * FEATURES, rows, k, IMAGES, FEATURES)
            acc = tl.dot(tl.trans(d), x, acc, input_precision=PRECISION, out_dtype=T)
    there = (ways < COUNT)[:, None] & (k < FEATURES)[None, :]
    tl.store(weight_ptr + (e * COUNT + ways)[:, None] * FEATURES + k[None, :], acc, mask=there)
    if tl.program_id(0) == 0:
        tl.store(bias_ptr + e * COUNT + ways, total, mask=ways < COUNT)
