"""The inner loop: gradient descent on the support loss, and the way back through it."""

from __future__ import annotations

from collections.abc import Callable, Collection

import torch
from torch import Tensor
from torch.func import grad, jvp

from methods.contract import Params

InnerLoss = Callable[[Params], Tensor]


def trajectory(loss: InnerLoss, params: Params, adapted: Collection[str], lr: float, steps: int) -> list[Params]:
    """The parameters before, and after each of, `steps` inner steps; only those named in `adapted` move."""
    visited = [params]
    for _ in range(steps):
        visited.append(inner_step(loss, visited[-1], adapted, lr))
    return visited


def inner_step(loss: InnerLoss, params: Params, adapted: Collection[str], lr: float) -> Params:
    """theta' = theta - lr * grad L(theta) on the adapted parameters (Finn et al. 2017, equation 1)."""
    moving = {name: params[name] for name in params if name in adapted}
    gradient = grad(lambda part: loss(params | part))(moving)
    return params | {name: value - lr * gradient[name] for name, value in moving.items()}


def pull_back(loss: InnerLoss, visited: list[Params], cotangent: Params, adapted: Collection[str], lr: float) -> Params:
    """The gradient at the end of the inner loop, turned into the gradient at its start: exact second order.

    One step back is c - lr * H c, with H the Hessian of the support loss at that step's parameters and c zero on what
    is not adapted. H being symmetric, the product is a forward derivative of a gradient: no graph outlives its step,
    so the peak of memory does not grow with the number of steps."""
    for params in reversed(visited[:-1]):
        moving = {name: c if name in adapted else torch.zeros_like(c) for name, c in cotangent.items()}
        _, curvature = jvp(grad(loss), (params,), (moving,))
        cotangent = {name: c - lr * curvature[name] for name, c in cotangent.items()}
    return cotangent
