"""The inner loop: gradient descent on the support loss, full-batch or in minibatches, and the backward pass through
it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from random import Random
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.func import grad, grad_and_value, vjp

from methods.contract import Params

Loss = Callable[[Params], Tensor]
Outputs = Callable[[Params], Tensor]
Step = Callable[[Params], Params]  # the parameters before an inner step -> after it
Images = slice | Tensor  # the images of the support set that a step uses


def trajectory(step: Step, params: Params, steps: int) -> list[Params]:
    """The parameters before, and after each of, `steps` inner steps."""
    visited = [params]
    for _ in range(steps):
        visited.append(step(visited[-1]))
    return visited


def outputs_along(step: Step, outputs: Outputs, params: Params, steps: int) -> Tensor:
    """[steps + 1, ...]: `outputs` of the parameters before, and after each of, `steps` inner steps.

    Only the outputs of the steps are kept, so that peak memory does not grow with the parameters of each step."""
    found = [outputs(params)]
    for _ in range(steps):
        params = step(params)
        found.append(outputs(params))
    return torch.stack(found)


def inner_step(loss: Loss, params: Params, adapted: Collection[str], lr: float) -> Params:
    """theta' = theta - lr * grad L(theta) on the adapted parameters (Finn et al. 2017, equation 1)."""
    gradient = adapted_gradient(loss, params, adapted)
    return params | {name: params[name] - lr * value for name, value in gradient.items()}


def adapted_gradient(loss: Loss, params: Params, adapted: Collection[str]) -> Params:
    """The gradient of the loss with respect to the adapted parameters."""
    moving = {name: params[name] for name in params if name in adapted}
    return grad(lambda part: loss(params | part))(moving)


def gradient_through(step: Step, outer_loss: Loss, params: Params, steps: int) -> tuple[Tensor, Params]:
    """The outer loss after `steps` inner steps, at least one, and its gradient for the parameters before the first:
    exact second order, (I - lr * Hessian) at every step (Finn et al. 2017, section 5.2, "the full MAML").

    Only the parameters of each step are kept, and every step but the last is recomputed in the backward pass, so that
    peak memory does not grow with the number of steps."""
    *earlier, last = trajectory(step, params, steps - 1)
    gradient, value = grad_and_value(lambda params: outer_loss(step(params)))(last)
    for params in reversed(earlier):
        gradient = step_back(step, params, gradient)
    return value, gradient


def step_back(step: Step, params: Params, cotangent: Params) -> Params:
    """Turns a gradient for the parameters after a step into one for those before it. A separate function, so that one
    step's graph is freed before the next one is built."""
    pull_back = vjp(step, params)[1]
    (cotangent,) = pull_back(cotangent)
    return cotangent


class BatchLoss(Protocol):
    """The loss of some images of the support set."""

    def __call__(self, params: Params, images: Images) -> Tensor: ...


BatchStatistics = Callable[[Params, Images], Params]


def descended(
    loss: BatchLoss,
    outputs: Outputs,
    params: Params,
    adapted: Collection[str],
    lr: Any,
    how: Any,
    batches: list[Images],
    follow: BatchStatistics | None = None,
) -> Tensor:
    """[steps + 1, ...]: `outputs` before, and after each of, the steps on these minibatches. `how`: the evaluation,
    whose finetune_momentum, finetune_dampening and finetune_weight_decay mean the same as in torch.optim.SGD. `follow`:
    other values in `params` that a step updates, computed from the parameters before it."""
    found, velocity = [outputs(params)], Params()
    for images in batches:
        gradient = adapted_gradient(partial(loss, images=images), params, adapted)
        if how.finetune_weight_decay:
            gradient = {name: value + how.finetune_weight_decay * params[name] for name, value in gradient.items()}
        velocity = _next_velocity(velocity, gradient, how.finetune_momentum, how.finetune_dampening)
        also = follow(params, images) if follow is not None else {}
        params = params | {name: params[name] - lr * value for name, value in velocity.items()} | also
        found.append(outputs(params))
    return torch.stack(found)


def _next_velocity(velocity: Params, gradient: Params, momentum: float, dampening: float) -> Params:
    """The new velocity; as in torch.optim.SGD, the first step is not dampened."""
    if not velocity or not momentum:
        return gradient
    return {name: momentum * velocity[name] + (1 - dampening) * value for name, value in gradient.items()}


def minibatches(images: int, size: int | None, steps: int) -> list[Images]:
    """The images of each step: all of them, or `size` at a time, pass after pass, each pass in a new order; the last
    minibatch of a pass may be smaller. The orders are the same in every episode, whose classes are in random order;
    Python draws them, because torch cannot draw random numbers under `vmap`."""
    if size is None:
        return [slice(None)] * steps
    generator, found = Random(0), list[Images]()
    while len(found) < steps:
        found += torch.tensor(generator.sample(range(images), images)).split(size)
    return found[:steps]
