"""Gradient descent on the support set of an episode: in minibatches or whole, with momentum and weight decay."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

from methods.contract import Params
from methods.inner_loop import Outputs, adapted_gradient

Images = slice | Tensor  # those of the support set that a step is taken on


class BatchLoss(Protocol):
    """The loss of some images of the support set."""

    def __call__(self, params: Params, images: Images) -> Tensor: ...


def descended(
    loss: BatchLoss,
    outputs: Outputs,
    params: Params,
    adapted: Collection[str],
    lr: Any,
    how: Any,
    batches: list[Images],
) -> Tensor:
    """[steps + 1, ...]: `outputs` before, and after each of, the steps on these minibatches. `how`: the evaluation,
    whose finetune_momentum, finetune_dampening and finetune_weight_decay mean what those of torch.optim.SGD do."""
    found, velocity = [outputs(params)], Params()
    for images in batches:
        gradient = adapted_gradient(partial(loss, images=images), params, adapted)
        if how.finetune_weight_decay:
            gradient = {name: value + how.finetune_weight_decay * params[name] for name, value in gradient.items()}
        velocity = _moved(velocity, gradient, how.finetune_momentum, how.finetune_dampening)
        params = params | {name: params[name] - lr * value for name, value in velocity.items()}
        found.append(outputs(params))
    return torch.stack(found)


def _moved(velocity: Params, gradient: Params, momentum: float, dampening: float) -> Params:
    """The first step is not dampened."""
    if not velocity or not momentum:
        return gradient
    return {name: momentum * velocity[name] + (1 - dampening) * value for name, value in gradient.items()}


def minibatches(images: int, size: int | None, steps: int) -> list[Images]:
    """What each step is taken on: all images, or so many of them, pass after pass in an order of its own, of which the
    last ones may be fewer. The orders are the same in every episode, whose classes stand in an order of its own."""
    if size is None:
        return [slice(None)] * steps
    generator, found = torch.Generator().manual_seed(0), list[Images]()
    while len(found) < steps:
        found += torch.randperm(images, generator=generator).split(size)
    return found[:steps]
