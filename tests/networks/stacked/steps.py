"""A meta-gradient of exact MAML by an engine, on episodes that are drawn small."""

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
    """A network of each episode's own, in float64."""
    params, size = {}, channels
    for k in BLOCKS:
        params[f"conv{k}.weight"] = drawn(generator, episodes, filters, size, 3, 3) / (2 * size**0.5)
        params[f"conv{k}.bias"] = drawn(generator, episodes, filters)
        params[f"norm{k}.shift"] = drawn(generator, episodes, filters) / 5
        size = filters
    params["head.weight"] = drawn(generator, episodes, ways, features) / features**0.5
    return params | {"head.bias": drawn(generator, episodes, ways) / 5}


def drawn(generator: torch.Generator, *shape: int) -> Tensor:
    """Standard normal."""
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def meta_gradient(engine: StackedEngine, params: Params, batch: Episode, steps: int) -> tuple[Tensor, Params]:
    """The query's loss [episodes] after so many inner steps, all but batch norm's shifts adapted, and its gradient for
    the parameters [episodes, ...]."""
    inner = Inner([name for name in params if not name.startswith("norm")], RATE, steps, keeps=True)
    taken = inner_loop(engine, laid_out(params), batch.support, batch.support_labels, inner)
    value, cotangent = outer_loss(engine, batch, "batch")(taken[-1].after)
    while taken:
        cotangent = back(engine, taken.pop(), cotangent, inner)
    return value, cotangent
