"""A loss after every inner step: the weights of the steps, and the gradient of the weighted sum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.func import grad_and_value

from methods.contract import Params
from methods.inner_loop import Loss, Step, step_back

_ANNEALED = 0.1  # the share of the training in which the weights move to the last step, if no epochs are set
_FLOOR = 0.03  # share of the initial weight that other steps keep (authors: get_per_step_loss_importance_vector)


def step_weights(training: Any, made: Tensor) -> list[Tensor]:
    """The weights v_i of the query losses after each inner step, after `made` updates: scalars that sum to 1."""
    steps = training.inner_steps
    a_step = training.meta_batch if training.meta_update == "episode" else 1
    epochs = training.multi_step_epochs
    if epochs is None:
        earlier = (1 - made / (_ANNEALED * training.iterations * a_step)).clamp(min=_FLOOR) / steps
    else:
        epoch = torch.floor(made / (training.epoch * a_step))
        earlier = torch.where(epoch < epochs, (1 - epoch / epochs).clamp(min=_FLOOR) / steps, 0)
    return [earlier] * (steps - 1) + [1 - (steps - 1) * earlier]


def gradient_of_all(
    steps: Sequence[Step], losses: Sequence[Loss], params: Params, weights: Sequence[Tensor]
) -> tuple[Tensor, Params]:
    """The weighted sum of the outer losses after each inner step, and its exact gradient for the parameters before the
    first. Each loss is added during the backward pass, whose memory does not grow with the number of steps."""
    before = [params]
    for step in steps:
        before.append(step(before[-1]))
    gradient, value = grad_and_value(lambda p: weights[-1] * losses[-1](p))(before.pop())
    for k, visited in reversed(list(enumerate(before))):
        gradient = step_back(steps[k], visited, gradient)
        if k:
            own, loss = grad_and_value(lambda p, k=k: weights[k - 1] * losses[k - 1](p))(visited)
            gradient, value = {name: own[name] + through for name, through in gradient.items()}, value + loss
    return value, gradient
