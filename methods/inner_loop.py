"""The inner loop: gradient descent on the support loss, and the way back through it."""

from __future__ import annotations

from collections.abc import Callable, Collection

from torch import Tensor
from torch.func import grad, grad_and_value, vjp

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


def gradient_through(
    inner_loss: InnerLoss, outer_loss: InnerLoss, params: Params, adapted: Collection[str], lr: float, steps: int
) -> tuple[Tensor, Params]:
    """The outer loss after `steps` inner steps, at least one, and its gradient for the parameters before the first:
    exact second order, (I - lr * Hessian) at every step (Finn et al. 2017, section 5.2, "the full MAML").

    Of the steps only the parameters are kept, and each but the last is done again on the way back: the peak of memory
    does not grow with their number."""

    def step(params: Params) -> Params:
        return inner_step(inner_loss, params, adapted, lr)

    *earlier, last = trajectory(inner_loss, params, adapted, lr, steps - 1)
    gradient, value = grad_and_value(lambda params: outer_loss(step(params)))(last)
    for params in reversed(earlier):
        gradient = _step_back(step, params, gradient)
    return value, gradient


def _step_back(step: Callable[[Params], Params], params: Params, cotangent: Params) -> Params:
    """A function of its own, so that one step's graph is gone before the next one is made."""
    _, pull_back = vjp(step, params)
    (cotangent,) = pull_back(cotangent)
    return cotangent
