"""The meta-gradient of exact MAML computed by an engine, on small random episodes."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.networks.stacked.blocks import BLOCKS, Params, laid_out
from bench.networks.stacked.engine import StackedEngine
from methods.contract import Episode
from methods.stacked import Inner, back, inner_loop, outer_loss

RATE = 0.05


def parameters(
    episodes: int, channels: int, filters: int, features: int, ways: int, generator: torch.Generator
) -> Params:
    """Random parameters in float64, different for each episode."""
    params, size = {}, channels
    for k in BLOCKS:
        params[f"conv{k}.weight"] = drawn(generator, episodes, filters, size, 3, 3) / (2 * size**0.5)
        params[f"conv{k}.bias"] = drawn(generator, episodes, filters)
        params[f"norm{k}.shift"] = drawn(generator, episodes, filters) / 5
        size = filters
    params["head.weight"] = drawn(generator, episodes, ways, features) / features**0.5
    return params | {"head.bias": drawn(generator, episodes, ways) / 5}


def drawn(generator: torch.Generator, *shape: int) -> Tensor:
    """Standard normal numbers."""
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def meta_gradient(engine: StackedEngine, params: Params, batch: Episode, steps: int) -> tuple[Tensor, Params]:
    """The query loss [episodes] after this many inner steps, which adapt everything except batch norm's shifts, and its
    gradient for the parameters [episodes, ...]."""
    inner = Inner([name for name in params if not name.startswith("norm")], RATE, steps, keeps=True)
    taken = inner_loop(engine, laid_out(params), batch.support, batch.support_labels, inner)
    value, cotangent = outer_loss(engine, batch, "batch")(taken[-1].after)
    while taken:
        cotangent = back(engine, taken.pop(), cotangent, inner)
    return value, cotangent
