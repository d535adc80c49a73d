"""Whether a method's gradient is that of its loss, found by differences of the loss alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from bench.tools.check.gradients import GradientCheck, check_gradient
from bench.tools.check.rules import gradient, violation
from bench.tools.check.toy_data import FUNCTIONS, IMAGES, Subject
from methods import METHODS
from methods.maml import Maml
from tests.conftest import Command


class _Doubled(Maml):
    """MAML whose gradient of one tensor is twice too large."""

    def loss_and_gradient(self, *arguments: Any) -> Any:
        loss, gradient, carried = super().loss_and_gradient(*arguments)
        return loss, gradient | {"head.bias": 2 * gradient["head.bias"]}, carried


class _NotFinite(Maml):
    """MAML whose gradient of one tensor is NaN."""

    def loss_and_gradient(self, *arguments: Any) -> Any:
        loss, gradient, carried = super().loss_and_gradient(*arguments)
        return loss, gradient | {"head.bias": torch.nan * gradient["head.bias"]}, carried


class _Square(torch.autograd.Function):
    """x * x, whose first derivative is right and whose second derivative is half of the right one."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x * x

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad * (x + x.detach())


class _WrongSecondDerivative(Maml):
    """MAML with an error like the one in torch's weight_norm: the first derivative is right, the second one wrong."""

    def __init__(self, setup: Any) -> None:
        def loss(outputs: Tensor, targets: Tensor) -> Tensor:
            added: Tensor = _Square.apply(outputs).mean()
            return setup.loss(outputs, targets) + added

        super().__init__(replace(setup, loss=loss))


class _SlightlyOff(Maml):
    """MAML whose gradient is 0.05 % too large, at every inner rate."""

    def loss_and_gradient(self, *arguments: Any) -> Any:
        loss, gradient, carried = super().loss_and_gradient(*arguments)
        return loss, {name: 1.0005 * value for name, value in gradient.items()}, carried


def _found(kind: type, form: str = FUNCTIONS) -> GradientCheck:
    found = check_gradient(Subject(kind, form))
    assert found is not None
    return found


@pytest.mark.parametrize("name", ["maml", "anil", "msl"])
def test_exact(name: str) -> None:
    assert _found(METHODS[name]).exact


@pytest.mark.parametrize(
    ("kind", "form"), [(METHODS["fomaml"], FUNCTIONS), (METHODS["fomaml"], IMAGES), (_WrongSecondDerivative, FUNCTIONS)]
)
def test_second_derivatives_left_out_or_wrong(kind: type, form: str) -> None:
    found = _found(kind, form)
    assert not found.exact and found.vanishes and found.text.startswith("first-order")


@pytest.mark.parametrize("kind", [METHODS["reptile"], _Doubled, _SlightlyOff])
def test_not_that_of_its_loss(kind: type) -> None:
    found = _found(kind)
    assert not found.exact and not found.vanishes and found.text.startswith("not the gradient of its loss")


def test_names_the_tensor() -> None:
    assert _found(_Doubled).worst == "head.bias"


def test_check_says_so(typed: Command) -> None:
    assert "functions: gradient exact" in typed("check", "oracle").stdout


def test_a_gradient_that_is_not_finite_is_wrong() -> None:
    subject = Subject(_NotFinite, FUNCTIONS)
    found, broken = check_gradient(subject), violation(gradient, subject)
    assert found is not None and not found.exact and not found.vanishes and found.worst == "head.bias"
    assert broken is not None and broken[0] == "head.bias has values that are not finite"
