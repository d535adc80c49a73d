"""The statistics that normalise an episode's images, and running statistics kept during training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from methods.contract import Params

_MOMENTUM = 0.1  # of the running statistics; PyTorch's default


class Features(NamedTuple):
    """An episode's features: support [ways * shots, features], query [ways * queries, features]; and the statistics
    `seen` of the support set, or of all images if they are one batch."""

    support: Tensor
    query: Tensor
    seen: Params


def features_of(
    network: Any, params: Params, support: Tensor, query: Tensor, mode: str, running: Params | None = None
) -> Features:
    """The features of an episode whose queries are normalised by statistics of mode `batch`, `support`, `episode` or
    `running`. The support set is normalised by its own statistics in the first two modes, and like the queries in the
    other two."""
    seen: Params = {}
    if mode == "episode":
        together = network.features(params, torch.cat([support, query]), seen=seen)
        return Features(together[: len(support)], together[len(support) :], seen)
    everywhere = running if mode == "running" else None
    anchors = network.features(params, support, everywhere, seen)
    return Features(anchors, network.features(params, query, seen if mode == "support" else everywhere), seen)


def fresh_statistics(network: Any, params: Params) -> Params:
    """The initial running statistics: mean 0 and variance 1 in every layer."""
    seen = network.observed(params, torch.zeros(1, *network.input_shape))
    return {name: torch.full_like(value, float(name.endswith("variance"))) for name, value in seen.items()}


def moved(running: Params, seen: Mapping[str, Tensor]) -> Params:
    """Running statistics updated by one batch."""
    return running | {name: torch.lerp(running[name], now, _MOMENTUM) for name, now in seen.items()}
