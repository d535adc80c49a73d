"""The outer optimiser's learning rate follows the protocol."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from bench.networks.conv4 import Conv4
from bench.protocols.protocol import Protocol, Training, training_hash
from bench.training.optimiser import outer_optimiser, rate_at, set_rate
from tests.training.test_outer_loop import Interrupted, Make, assert_same, make, trained, watch  # noqa: F401

HALVED = Training(meta_lr=1e-3, meta_lr_halved_every=2000)


@pytest.mark.parametrize(
    ("iteration", "rate"), [(0, 1e-3), (1999, 1e-3), (2000, 5e-4), (3999, 5e-4), (4000, 2.5e-4), (20_000, 1e-3 / 1024)]
)
def test_the_rate_is_halved_again_and_again(iteration: int, rate: float) -> None:
    assert rate_at(HALVED, iteration) == rate and rate_at(Training(meta_lr=1e-3), iteration) == 1e-3


def test_a_step_is_as_long_as_its_rate() -> None:
    """Adam's first step equals its learning rate, whatever the gradient: after 2000 iterations, half of it."""
    for iteration, rate in ((0, 1e-3), (2000, 5e-4)):
        parameter = torch.zeros(1, requires_grad=True)
        optimiser = outer_optimiser([parameter], HALVED, capturable=False)
        set_rate(optimiser, HALVED, iteration)
        parameter.grad = torch.ones(1)
        optimiser.step()
        assert float(parameter.detach()) == pytest.approx(-rate)


def test_an_interpolation_goes_all_the_way_at_first_and_nowhere_in_the_end() -> None:
    """Nichol et al. 2018, code: phi + epsilon (phi~ - phi), with epsilon decreasing linearly from 1 to 0."""
    training = Training(meta_optimiser="sgd", meta_lr=1.0, meta_lr_final=0.0, iterations=4)
    for iteration, share in enumerate((1.0, 0.75, 0.5, 0.25)):
        parameter = torch.tensor([3.0], requires_grad=True)
        optimiser = outer_optimiser([parameter], training, capturable=False)
        set_rate(optimiser, training, iteration)
        parameter.grad = torch.tensor([3.0 - 7.0])
        optimiser.step()
        assert float(parameter.detach()) == pytest.approx(3 + share * 4)


def test_a_cosine_goes_by_epochs() -> None:
    """torch's own scheduler, stepped once per epoch of 5 iterations, as in Antoniou et al. 2019 (code)."""
    training = Training(meta_lr=1e-3, meta_lr_final=1e-5, meta_lr_path="cosine", epoch=5, iterations=20)
    theirs = torch.optim.Adam([torch.zeros(1)], lr=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(theirs, T_max=4, eta_min=1e-5)
    for epoch in range(4):
        rates = [rate_at(training, 5 * epoch + k) for k in range(5)]
        assert rates == pytest.approx(schedule.get_last_lr() * 5)
        theirs.step()
        schedule.step()


def test_a_graph_reads_a_rate_that_moves_from_a_tensor() -> None:
    optimiser = outer_optimiser([torch.zeros(1)], HALVED, capturable=True)
    rate = optimiser.param_groups[0]["lr"]
    set_rate(optimiser, HALVED, 2000)
    assert optimiser.param_groups[0]["lr"] is rate and float(rate) == pytest.approx(5e-4)
    assert outer_optimiser([torch.zeros(1)], Training(meta_lr=1e-3), capturable=True).param_groups[0]["lr"] == 1e-3


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
