"""The stacked engine against autograd and finite differences, in float64."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from methods.contract import Params
from tests.networks.stacked.cases import Case, by_autograd, by_the_engine

CASES = {
    "pooled, odd": Case((3, 19, 17), ways=5, shots=1, steps=3),
    "pooled, even": Case((1, 16, 16), shifts_adapted=True),
    "pooled, whole windows": Case((3, 32, 32), filters=3, steps=1),
    "support's statistics": Case((3, 17, 17), statistics="support"),
    "equals in windows": Case((1, 17, 17), levels=2),
    "closed": Case((3, 16, 18), closed=True, shifts_adapted=True),
    "strided, odd": Case((1, 15, 15), strided=True),
    "strided, even": Case((1, 28, 28), strided=True, shifts_adapted=True, shots=1, ways=5),
    "strided, support's statistics": Case((1, 14, 14), strided=True, statistics="support"),
}


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def assert_equal(found: Params, expected: Params) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-11, msg=lambda text, name=name: name + text)


def test_the_meta_gradient_is_that_of_autograd(case: Case) -> None:
    """The gradient of a convolution's bias is exactly 0, where autograd leaves rounding errors."""
    (loss, gradient), (expected_loss, expected) = by_the_engine(case), by_autograd(case)
    torch.testing.assert_close(loss, expected_loss, rtol=1e-12, atol=0)
    assert_equal(gradient, expected)
    assert all(not gradient[f"conv{k}.bias"].any() for k in (1, 2, 3, 4))


def test_cases_have_what_their_names_say() -> None:
    """A case without equal values, or without a closed ReLU, would show nothing."""
    for name, case in CASES.items():
        engine, episode = case.engine(), case.episode
        blocks = engine._blocks.forward(case.params, engine.data(episode.support))
        closed = [(block.output == 0).flatten(1, 3).all(1).any() for block in blocks]
        assert all(closed) == case.closed, name
        if case.levels is not None:
            windows = episode.support[..., :16, :16].unflatten(3, (8, 2)).unflatten(5, (8, 2))
            assert (windows.amax((4, 6)) == windows.amin((4, 6))).any(), name


def test_redone_steps_give_the_same_bits() -> None:
    """For a memory bound that keeps no steps, two of three, and all."""
    case = Case(steps=3)
    _, whole = by_the_engine(case)
    engine, episode, inner = case.engine(), case.episode, case.inner
    step = engine.gradient(case.params, engine.data(episode.support), episode.support_labels, inner.adapted, 0)[2]
    a_step = sum(
        {id(part): part.nbytes for block in step.blocks for part in block if isinstance(part, Tensor)}.values()
    )
    for bound, kept in ((0, 0), (2 * a_step, 2), (3 * a_step, 3)):
        engine = case.engine(bound)
        data = engine.data(episode.support)
        steps = [
            engine.gradient(case.params, data, episode.support_labels, inner.adapted, following)[2]
            for following in (2, 1, 0)
        ]
        assert [one.blocks is not None for one in steps] == [False] * (3 - kept) + [True] * kept
        _, gradient = by_the_engine(case, bound)
        assert all(torch.equal(gradient[name], value) for name, value in whole.items())


def direction(case: Case, seed: int, names: list[str]) -> Params:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(value.shape, generator=generator, dtype=torch.float64)
        for name, value in case.params.items()
        if name in names
    }


@pytest.mark.parametrize("only", ["all", "no shifts", "last", "shifts", "head"])
@pytest.mark.parametrize("strided", [False, True])
def test_the_derivative_is_the_finite_difference_of_the_gradient(strided: bool, only: str) -> None:
    case = Case((1, 17, 17), strided=strided)
    engine, episode, params = case.engine(), case.episode, case.params
    kinds = {
        "all": ("",),
        "no shifts": ("conv", "head"),
        "last": ("conv4", "head"),
        "shifts": ("norm",),
        "head": ("head",),
    }[only]
    names = [name for name in params if name.startswith(kinds)]
    v, data = direction(case, 1, names), engine.data(episode.support)

    def gradient(sign: int, step: float = 1e-6) -> Params:
        moved = params | {name: params[name] + sign * step * v[name] for name in names}
        return engine.gradient(moved, data, episode.support_labels)[1]

    step = engine.gradient(params, data, episode.support_labels, names, 0)[2]
    found, ahead, behind = engine.derivative(step, v), gradient(1), gradient(-1)
    for name, value in found.items():
        expected = (ahead[name] - behind[name]) / 2e-6
        assert float((value - expected).norm()) < 1e-6 * (1 + float(expected.norm())), name


def test_the_hessian_is_symmetric(case: Case) -> None:
    """<u, H v> = <v, H u> for each episode, on which the backward pass relies."""
    case = replace(case, statistics="batch")
    engine, episode, names = case.engine(), case.episode, list(case.params)
    step = engine.gradient(case.params, engine.data(episode.support), episode.support_labels, None, 0)[2]
    u, v = direction(case, 2, names), direction(case, 3, names)

    def product(left: Params, right: Params) -> Tensor:
        return sum((left[name] * right[name]).flatten(1).sum(1) for name in names)

    torch.testing.assert_close(product(u, engine.derivative(step, v)), product(v, engine.derivative(step, u)))
