"""The outer optimiser, and its learning rate as a function of the iteration."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from bench.protocols.protocol import Training


def outer_optimiser(
    params: Iterable[Tensor], training: Training, capturable: bool, fused: bool = False
) -> torch.optim.Optimizer:
    """The optimiser of the outer loop. `capturable`: its steps are captured in a CUDA graph, which reads a learning
    rate that changes from a tensor; `fused`: one kernel updates all parameters."""
    params, rate = list(params), training.meta_lr
    lr = torch.tensor(rate, device=params[0].device) if capturable and _moves(training) else rate
    if training.meta_optimiser == "sgd":
        return torch.optim.SGD(params, lr=lr, fused=fused or capturable)
    return torch.optim.Adam(params, lr=lr, capturable=capturable, fused=fused)


def rate_at(training: Training, iteration: int) -> float:
    """The learning rate of an iteration, counted from 0. It moves towards `meta_lr_final` (Nichol et al. 2018, code:
    linearly; Antoniou et al. 2019: along a cosine, by epochs), and is halved every `meta_lr_halved_every` iterations
    (Snell et al. 2017, section 3.1)."""
    rate, every = _on_the_way(training, iteration), training.meta_lr_halved_every
    return rate if every is None else rate * 0.5 ** (iteration // every)


def set_rate(optimiser: torch.optim.Optimizer, training: Training, iteration: int) -> None:
    """Sets the optimiser's learning rate for this iteration. It depends on the iteration alone, so that a resumed
    training gets the same rates."""
    if not _moves(training):
        return
    for group in optimiser.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate_at(training, iteration))
        else:
            group["lr"] = rate_at(training, iteration)


def _moves(training: Training) -> bool:
    return training.meta_lr_halved_every is not None or training.meta_lr_final is not None


def _on_the_way(training: Training, iteration: int) -> float:
    first, last, epoch = training.meta_lr, training.meta_lr_final, training.epoch
    if last is None:
        return first
    done = iteration // epoch * epoch / training.iterations
    left = (1 + math.cos(math.pi * done)) / 2 if training.meta_lr_path == "cosine" else 1 - done
    return last + (first - last) * left
