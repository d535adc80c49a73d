"""The second stage of every sum: adds the results of the first stage's programs, always in the same order."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit(do_not_specialize=["PARTS", "COUNT"])
def finish_sums(
    parts_ptr, out_ptr, PARTS, COUNT,
    SIZE: tl.constexpr, ROUNDS: tl.constexpr, BLOCK: tl.constexpr, AT_ONCE: tl.constexpr,
):  # fmt: skip
    """parts [episodes, parts, SIZE] -> their sum / COUNT [episodes, SIZE]; grid: blocks of SIZE, episodes."""
    e = tl.program_id(1)
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    acc = tl.zeros((AT_ONCE, BLOCK), parts_ptr.dtype.element_ty)
    for index in range(ROUNDS):
        part = index * AT_ONCE + tl.arange(0, AT_ONCE)
        there = (part < PARTS)[:, None] & (at < SIZE)[None, :]
        acc += tl.load(parts_ptr + (e * PARTS + part)[:, None] * SIZE + at[None, :], mask=there, other=0.0)
    tl.store(out_ptr + e * SIZE + at, tl.sum(acc, 0) / COUNT.to(acc.dtype), mask=at < SIZE)


@triton.jit(do_not_specialize=["PARTS"])
def finish_moments(
    parts_ptr, mean_ptr, variance_ptr, PARTS,
    FILTERS: tl.constexpr, ROUNDS: tl.constexpr, BLOCK: tl.constexpr, AT_ONCE: tl.constexpr,
):  # fmt: skip
    """parts [episodes, parts, 3, filters] (count, mean, centred sum of squares) -> mean and variance [episodes,
    filters], after Chan, Golub and LeVeque (1979): the variance within the parts plus the variance between their means.
    Grid: blocks of eight filters, which one memory access reads, and episodes."""
    e = tl.program_id(1)
    T: tl.constexpr = parts_ptr.dtype.element_ty
    c = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    count = tl.zeros((AT_ONCE, BLOCK), T)
    total = tl.zeros((AT_ONCE, BLOCK), T)
    for index in range(ROUNDS):
        part = index * AT_ONCE + tl.arange(0, AT_ONCE)
        there = (part < PARTS)[:, None]
        at = parts_ptr + (e * PARTS + part)[:, None] * (3 * FILTERS) + c[None, :]
        some = tl.load(at, mask=there, other=0.0)
        count += some
        total += some * tl.load(at + FILTERS, mask=there, other=0.0)
    n = tl.sum(count, 0)
    mean = tl.sum(total, 0) / n
    squares = tl.zeros((AT_ONCE, BLOCK), T)
    for index in range(ROUNDS):
        part = index * AT_ONCE + tl.arange(0, AT_ONCE)
        there = (part < PARTS)[:, None]
        at = parts_ptr + (e * PARTS + part)[:, None] * (3 * FILTERS) + c[None, :]
        away = tl.load(at + FILTERS, mask=there, other=0.0) - mean[None, :]
        squares += tl.load(at + 2 * FILTERS, mask=there, other=0.0)
        squares += tl.load(at, mask=there, other=0.0) * away * away
    tl.store(mean_ptr + e * FILTERS + c, mean)
    tl.store(variance_ptr + e * FILTERS + c, tl.sum(squares, 0) / n)
