"""The outer optimiser, and its learning rate as a function of the iteration."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from bench.protocols.protocol import Training


def adam(params: Iterable[Tensor], training: Training, capturable: bool, fused: bool = False) -> torch.optim.Adam:
    """Adam as the protocol has it. `capturable`: its steps go into a CUDA graph, which reads a rate that moves from a
    tensor; `fused`: one kernel moves all parameters."""
    params, rate = list(params), training.meta_lr
    moves = capturable and training.meta_lr_halved_every is not None
    lr = torch.tensor(rate, device=params[0].device) if moves else rate
    return torch.optim.Adam(params, lr=lr, capturable=capturable, fused=fused)


def rate_at(training: Training, iteration: int) -> float:
    """The learning rate of an iteration, the first being 0: halved after every so many (Snell et al. 2017, section
    3.1)."""
    every = training.meta_lr_halved_every
    return training.meta_lr if every is None else training.meta_lr * 0.5 ** (iteration // every)


def set_rate(optimiser: torch.optim.Adam, training: Training, iteration: int) -> None:
    """Gives the optimiser the rate of this iteration: of nothing before it, so that a training goes on as it began."""
    if training.meta_lr_halved_every is None:
        return
    for group in optimiser.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate_at(training, iteration))
        else:
            group["lr"] = rate_at(training, iteration)
