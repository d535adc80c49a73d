"""The outer optimiser's rate, and where it is what the protocol says."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from bench.networks.conv4 import Conv4
from bench.protocols.protocol import Protocol, Training, training_hash
from bench.training.optimiser import adam, rate_at, set_rate
from tests.training.test_outer_loop import Interrupted, Make, assert_same, make, trained, watch  # noqa: F401

HALVED = Training(meta_lr=1e-3, meta_lr_halved_every=2000)


@pytest.mark.parametrize(
    ("iteration", "rate"), [(0, 1e-3), (1999, 1e-3), (2000, 5e-4), (3999, 5e-4), (4000, 2.5e-4), (20_000, 1e-3 / 1024)]
)
def test_the_rate_is_halved_again_and_again(iteration: int, rate: float) -> None:
    assert rate_at(HALVED, iteration) == rate and rate_at(Training(meta_lr=1e-3), iteration) == 1e-3


def test_a_step_is_as_long_as_its_rate() -> None:
    """Adam's first step is its rate, whatever the gradient: half of it after 2000 iterations."""
    for iteration, rate in ((0, 1e-3), (2000, 5e-4)):
        parameter = torch.zeros(1, requires_grad=True)
        optimiser = adam([parameter], HALVED, capturable=False)
        set_rate(optimiser, HALVED, iteration)
        parameter.grad = torch.ones(1)
        optimiser.step()
        assert float(parameter.detach()) == pytest.approx(-rate)


def test_a_graph_reads_a_rate_that_moves_from_a_tensor() -> None:
    optimiser = adam([torch.zeros(1)], HALVED, capturable=True)
    rate = optimiser.param_groups[0]["lr"]
    set_rate(optimiser, HALVED, 2000)
    assert optimiser.param_groups[0]["lr"] is rate and float(rate) == pytest.approx(5e-4)
    assert adam([torch.zeros(1)], Training(meta_lr=1e-3), capturable=True).param_groups[0]["lr"] == 1e-3


def test_an_interruption_changes_no_bit_of_a_training_whose_rate_is_halved(
    make: Make,  # noqa: F811
    tiny_protocol: Protocol,
) -> None:
    halved = replace(tiny_protocol, training=replace(tiny_protocol.training, meta_lr_halved_every=2))
    whole, initial = make("maml", halved, "whole")
    expected = trained(whole, initial, watch())
    plain, initial = make("maml", tiny_protocol, "plain")
    other = trained(plain, initial, watch())
    assert not torch.equal(expected.state.params["head.bias"], other.state.params["head.bias"])
    sliced, initial = make("maml", halved, "sliced")
    with pytest.raises(Interrupted):
        trained(sliced, initial, watch(3))
    again, initial = make("maml", halved, "sliced")
    assert_same(trained(again, initial, watch()), expected)


def test_gamma_starts_from_one_or_between_0_and_1(tiny_protocol: Protocol) -> None:
    def fresh(kind: str) -> dict[str, torch.Tensor]:
        training = replace(tiny_protocol.training, batch_norm_scale=True, batch_norm_gamma=kind, filters=64)
        return Conv4((1, 28, 28), training).init(torch.Generator().manual_seed(0), 5)

    ones, uniform = (torch.cat([fresh(kind)[f"norm{k}.scale"] for k in range(1, 5)]) for kind in ("ones", "uniform"))
    assert bool((ones == 1).all()) and bool(((uniform >= 0) & (uniform < 1)).all()) and len(uniform.unique()) > 200
    assert 0.4 < float(uniform.mean()) < 0.6


def test_what_was_done_before_keeps_its_key() -> None:
    plain = Training()
    assert training_hash(replace(plain, meta_lr_halved_every=None, batch_norm_gamma="ones"), "d") == training_hash(
        plain, "d"
    )
    keys = {training_hash(each, "d") for each in (plain, HALVED, replace(plain, batch_norm_gamma="uniform"))}
    assert len(keys) == 3
