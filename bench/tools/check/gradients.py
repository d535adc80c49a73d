"""Compares a method's gradient with central differences of its loss: in float64, one tensor at a time, by the same code
that trains.

Differences use only the loss, so they find errors that no comparison of two derivatives can: a layer whose own second
derivative is wrong, or one that a method leaves out. They cannot tell these two apart, since both errors vanish with
the inner rate, and no other does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf, isfinite
from statistics import median
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from bench.tools.check.toy_data import CPU, Subject, workload
from bench.training.execution import Execution
from methods.contract import Method, Params, State

T = TypeVar("T")
_STEP = 1e-6  # change of a parameter: float64 leaves ten digits of the loss's change
_TOLERANCE = 1e-4  # relative error of a derivative: correct ones reach 1e-7, or 1e-6 across a kink of ReLU
_SEEDS = 3
# Scale of the inner rate, which reduces an error in second derivatives by about this factor, and the most that may be
# left of it. The error itself is no guide: at the method's own rate it can be near 1, which is as large as it gets.
_SMALL, _LEFT = 1e-5, 1e-3
_SHRUNK = 0.1  # and the most of the error that may be left: a small error that stays is a mistake, not first-order


@dataclass(frozen=True)
class GradientCheck:
    """How the gradient compares with the loss. `worst`: the tensor with the largest relative error, `error`."""

    exact: bool
    vanishes: bool
    worst: str
    error: float

    @property
    def text(self) -> str:
        """The result in words."""
        if self.exact:
            return f"exact: central differences agree to {self.error:.0e} in every tensor"
        off = f"off by {100 * self.error:.3g} % in {self.worst}"
        if self.vanishes:
            return f"first-order: {off}, but exact as inner_lr goes to 0: second derivatives are left out, or wrong"
        return f"not the gradient of its loss: {off}, however small inner_lr is"


def check_gradient(subject: Subject) -> GradientCheck | None:
    """Checks the gradient of a method; None if it trains nothing."""
    if subject.kind.weights_of is not None:
        return None
    here = _errors(subject, 1.0)
    worst = max(here, key=here.__getitem__)
    exact = here[worst] < _TOLERANCE
    vanishes = not exact and max(_errors(subject, _SMALL).values()) < min(_LEFT, _SHRUNK * here[worst])
    return GradientCheck(exact, vanishes, worst, here[worst])


def _errors(subject: Subject, scale: float) -> dict[str, float]:
    """Tensor -> relative error of its directional derivative, the median over seeds. `scale` multiplies the inner
    rate."""
    protocol = subject.protocol
    training = replace(protocol.training, inner_lr=scale * protocol.training.inner_lr)
    method = workload(subject.kind, subject.benchmark, replace(protocol, training=training)).build()
    found = [dict(_of_seed(subject, method, seed)) for seed in range(_SEEDS)]
    return {name: median(each[name] for each in found) for name in found[0]}


def _of_seed(subject: Subject, method: Method, seed: int) -> Iterator[tuple[str, float]]:
    state = _double(State(*({k: v[None] for k, v in part.items()} for part in subject.state(seed))))
    batches = subject.batches(seed + 1)
    batch = _double(tree_map(lambda tensor: tensor[[seed]], batches.batch(batches.at(0))))
    _, gradient, _ = Execution(CPU, 1).loss_and_gradient(method, state, batch)
    generator = torch.Generator().manual_seed(seed)
    size = sum(float(value.square().sum()) for value in gradient.values()) ** 0.5
    for name, value in state.params.items():
        # Mostly along the gradient, so that the derivative is not small by chance, nor the direction zero.
        direction = torch.randn(value.shape, generator=generator, dtype=value.dtype)
        direction = _unit(direction) + 2 * _unit(gradient[name])
        up, down = (_loss(method, state, batch, name, sign * _STEP * direction) for sign in (1, -1))
        wanted, said = (up - down) / (2 * _STEP), float((gradient[name] * direction).sum())
        error = abs(wanted - said) / max(abs(wanted), abs(said), _TOLERANCE * size, 1e-30)
        yield name, error if isfinite(error) else inf  # NaN would be neither more nor less than the others


def _loss(method: Method, state: State, batch: object, name: str, change: Tensor) -> float:
    params: Params = state.params | {name: state.params[name] + change}
    return float(Execution(CPU, 1).loss_and_gradient(method, State(params, state.carried), batch)[0])


def _unit(tensor: Tensor) -> Tensor:
    return tensor / max(float(tensor.norm()), 1e-30)


def _double(tree: T) -> T:
    found: T = tree_map(lambda tensor: tensor.double() if tensor.is_floating_point() else tensor, tree)
    return found
