"""Adam in the inner loop, whose moments carry over from episode to episode (Nichol et al. 2018, code: one optimiser for
all)."""

from __future__ import annotations

import torch
from torch import Tensor

from methods.contract import Params

_BETA2, _EPSILON = 0.999, 1e-8  # TensorFlow's defaults, which the authors' code keeps
_TAKEN = "adam.taken"  # the number of steps
_FIRST, _SECOND = "adam.first.", "adam.second."


def moments(params: Params, beta1: float) -> Params:
    """The carried moments before the first step: zeros. Without momentum the first moment is the gradient itself."""
    kinds = (_SECOND, _FIRST) if beta1 else (_SECOND,)
    zeros = {f"{kind}{name}": torch.zeros_like(value) for kind in kinds for name, value in params.items()}
    return zeros | {_TAKEN: torch.zeros(())}


def step(params: Params, gradient: Params, carried: Params, lr: float, beta1: float) -> tuple[Params, Params]:
    """The parameters after a step, and the new carried moments. Kingma and Ba 2015, algorithm 1, in the reordered form
    at the end of section 2, which adds epsilon to the uncorrected second moment, as TensorFlow does."""
    taken = carried[_TAKEN] + 1
    rate = lr * torch.sqrt(1 - _BETA2**taken) / (1 - beta1**taken)
    after, kept = {}, {_TAKEN: taken}
    for name, value in gradient.items():
        first, second = value, torch.lerp(value.square(), carried[f"{_SECOND}{name}"], _BETA2)
        if beta1:
            first = kept[f"{_FIRST}{name}"] = torch.lerp(value, carried[f"{_FIRST}{name}"], beta1)
        kept[f"{_SECOND}{name}"] = second
        after[name] = _move(params[name], rate, first, second)
    return after, kept


def _move(value: Tensor, rate: Tensor, first: Tensor, second: Tensor) -> Tensor:
    return value - rate * first / (second.sqrt() + _EPSILON)
