"""Reptile as its authors ran it: inner Adam whose moments carry over between episodes, minibatches, and an
interpolation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bench import records
from bench.data.images import ImageSet
from bench.episodes.images import ImageEpisodes
from bench.networks.conv4 import conv4
from bench.protocols import presets
from bench.protocols.benchmarks import Benchmark, EpisodeShape, get
from bench.protocols.protocol import Protocol
from bench.training.execution import Execution
from methods.contract import MinibatchEpisode, Params, State
from tests.conftest import Command, build, double, meta_step, one_line
from tests.training.test_outer_loop import Interrupted, Make, assert_equal, make, trained, watch  # noqa: F401

CPU = torch.device("cpu")
STEPS, SIZE = 3, 4


@pytest.fixture
def protocol(tiny_protocol: Protocol) -> Protocol:
    as_theirs = {"meta_optimiser": "sgd", "meta_lr": 1.0, "meta_lr_final": 0.0, "inner_optimiser": "adam"}
    shape = {"inner_batch": SIZE, "inner_steps": STEPS, "inner_lr": 1e-3, "queries": 0, "batch_norm_scale": True}
    training = replace(tiny_protocol.training, **as_theirs, **shape, batch_norm_adapted=True)
    return Protocol(training, replace(tiny_protocol.evaluation, inner_batch=SIZE, inner_steps=STEPS))


def stream(small: Benchmark, noise: ImageSet, split: str, queries: int) -> ImageEpisodes:
    return ImageEpisodes(small, noise, split, 0, EpisodeShape(3, 2, queries), minibatches=(STEPS, SIZE))


class PlainAdam:
    """tf.train.AdamOptimizer(beta1=0) as documented, one for all episodes."""

    def __init__(self, lr: float, params: Params) -> None:
        self.lr, self.t, self.v = lr, 0, {name: torch.zeros_like(value) for name, value in params.items()}

    def step(self, params: Params, loss: Tensor) -> Params:
        gradients = torch.autograd.grad(loss, list(params.values()))
        self.t += 1
        rate, after = self.lr * (1 - 0.999**self.t) ** 0.5, {}
        for (name, value), g in zip(params.items(), gradients, strict=True):
            self.v[name] = 0.999 * self.v[name] + 0.001 * g * g
            after[name] = (value - rate * g / (self.v[name] ** 0.5 + 1e-8)).detach().requires_grad_()
        return after


def test_a_meta_step_is_that_of_a_plain_loop_with_one_adam_for_all_episodes(
    small: Benchmark, noise: ImageSet, protocol: Protocol
) -> None:
    method = build("reptile", small, protocol)
    first = method.init(torch.Generator().manual_seed(3))
    state = State(double(first.params), double(first.carried))
    batch = stream(small, noise, "train", 1).episodes(0, 3)
    batch = batch._replace(support=batch.support.double(), query=batch.query.double())
    _, gradient, carried = meta_step(Execution(CPU, 1), method, state, batch)
    network, adam = conv4(small, protocol.training), PlainAdam(protocol.training.inner_lr, state.params)
    ends = []
    for support, labels, query, query_labels, minibatches in zip(*batch, strict=True):
        params = {name: value.clone().requires_grad_() for name, value in state.params.items()}
        images, of = torch.cat([support, query]), torch.cat([labels, query_labels])
        for places in minibatches:
            params = adam.step(params, F.cross_entropy(network(params, images[places]), of[places]))
        ends.append(params)
    assert float(carried["adam.taken"]) == adam.t == 3 * STEPS
    for name, value in state.params.items():
        mean = torch.stack([end[name].detach() for end in ends]).mean(0)
        # Of a bias before batch norm the gradient is rounding alone, which Adam divides by its epsilon.
        torch.testing.assert_close(value - gradient[name], mean, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(carried[f"adam.second.{name}"], adam.v[name], rtol=1e-7, atol=1e-12)


def test_an_episode_is_tested_from_the_moments_of_training_and_leaves_them(
    small: Benchmark, noise: ImageSet, protocol: Protocol
) -> None:
    method = build("reptile", small, protocol)
    state = method.init(torch.Generator().manual_seed(3))
    batch = stream(small, noise, "test", 1).episodes(0, 2)
    fresh = Execution(CPU, 1).predict(method, state, batch, {})
    old = State(state.params, {name: value + 1 for name, value in state.carried.items()})
    kept = {name: value.clone() for name, value in old.carried.items()}
    found = Execution(CPU, 1).predict(method, old, batch, {})
    assert torch.equal(found[:, 0], fresh[:, 0]) and not torch.allclose(found[:, 1], fresh[:, 1])
    assert all(torch.equal(old.carried[name], value) for name, value in kept.items())
    assert torch.equal(Execution(CPU, 1).predict(method, old, batch, {}), found)
    last = build("reptile", small, replace(protocol, evaluation=replace(protocol.evaluation, scored_steps="last")))
    assert torch.equal(Execution(CPU, 1).predict(last, old, batch, {}), found[:, -1:])


def test_summed_losses_meet_the_moments_of_sums_over_training_s_minibatches(
    small: Benchmark, noise: ImageSet, protocol: Protocol
) -> None:
    """The authors' code, whose losses are sums in training and at test: an Adam of its own, on sums throughout."""
    half = SIZE // 2
    evaluation = replace(protocol.evaluation, inner_batch=half, inner_loss="sum")
    method = build("reptile", small, replace(protocol, evaluation=evaluation))
    state = method.init(torch.Generator().manual_seed(3))
    trained_on = stream(small, noise, "train", 1).episodes(0, 3)
    state = State(double(state.params), double(meta_step(Execution(CPU, 1), method, state, trained_on)[2]))
    batch = replace(stream(small, noise, "test", 1), minibatches=(STEPS, half)).episodes(0, 1)
    support, labels, query, _, minibatches = (part[0] for part in batch)
    support, query = support.double(), query.double()
    network, adam = conv4(small, protocol.training), PlainAdam(protocol.training.inner_lr, state.params)
    adam.t = int(state.carried["adam.taken"])
    adam.v = {name: SIZE**2 * state.carried[f"adam.second.{name}"] for name in state.params}
    params = {name: value.clone().requires_grad_() for name, value in state.params.items()}
    for places in minibatches:
        params = adam.step(params, F.cross_entropy(network(params, support[places]), labels[places], reduction="sum"))
    found = method.predict(state, support, labels, query, {}, minibatches)[-1]
    torch.testing.assert_close(found, network(params, query), rtol=1e-4, atol=1e-6)
    of_means = build("reptile", small, replace(protocol, evaluation=replace(evaluation, inner_loss="mean")))
    assert not torch.allclose(found, of_means.predict(state, support, labels, query, {}, minibatches)[-1], rtol=1e-2)


def test_a_test_on_means_is_another_even_where_its_record_is_too_old_to_name_the_setting() -> None:
    theirs = presets.preset("nichol", get("omniglot-5w1s"))
    ours = replace(theirs, evaluation=replace(theirs.evaluation, inner_loss="mean"))
    named_then = ("inner_lr", "inner_steps", "inner_optimiser", "inner_beta1", "inner_batch", "scored_steps")
    assert presets.protocol_differences(named_then, ours, theirs) == {"inner_loss": ("mean", "sum")}
    assert presets.protocol_differences(("inner_lr", "inner_steps"), ours, theirs) == {}


@pytest.mark.parametrize("more", [(), ("--set", "inner_optimiser=adam")])
def test_summed_losses_need_those_moments(typed: Command, more: tuple[str, ...]) -> None:
    assert "inner_loss=sum" in one_line(
        typed("run", "--benchmark", "tiny", "--method", "reptile", "--set", "inner_loss=sum", *more)
    )


def test_minibatches_go_through_all_images_pass_after_pass(small: Benchmark, noise: ImageSet) -> None:
    """6 images in batches of 4: the second batch has the end of one pass and the beginning of the next."""
    source = stream(small, noise, "test", 2)
    places = source.episodes(0, 50).minibatches
    assert places.shape == (50, STEPS, SIZE)
    order = places.flatten(1)
    assert all(sorted(row[:6].tolist()) == sorted(row[6:].tolist()) == list(range(6)) for row in order)
    assert len({tuple(row.tolist()) for row in order}) == 50
    assert torch.equal(source.episodes(7, 1).minibatches[0], places[7])
    both = stream(small, noise, "train", 1).episodes(0, 20)
    assert isinstance(both, MinibatchEpisode) and sorted(both.minibatches[0].flatten()[:9].tolist()) == list(range(9))
    alone = replace(source, minibatches=None).episodes(0, 50)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(alone, source.episodes(0, 50), strict=False))


@pytest.mark.parametrize("name", ["maml", "reptile"])
def test_a_query_is_normalised_with_the_support_set_and_itself(
    small: Benchmark, noise: ImageSet, tiny_protocol: Protocol, name: str
) -> None:
    evaluation = replace(tiny_protocol.evaluation, batch_statistics="support+query", inner_steps=0)
    method = build(name, small, replace(tiny_protocol, evaluation=evaluation))
    state = method.init(torch.Generator().manual_seed(3))
    batch = ImageEpisodes(small, noise, "test", 0, small.episode(2)).episodes(0, 1)
    found = Execution(CPU, 1).predict(method, state, batch, {})[0, 0]
    network = conv4(small, tiny_protocol.training)
    for place, image in enumerate(batch.query[0]):
        together = torch.cat([batch.support[0], image[None]])
        torch.testing.assert_close(found[place], network(state.params, together)[-1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("stop_at", [1, 3])
def test_an_interruption_changes_no_bit_of_what_is_carried_on(
    make: Make,  # noqa: F811
    protocol: Protocol,
    small: Benchmark,
    noise: ImageSet,
    stop_at: int,
) -> None:
    def made(folder: str):
        trainer, initial = make("reptile", protocol, folder)
        return replace(trainer, train=[stream(small, noise, "train", 1)], valid=None), initial

    protocol = replace(protocol, training=replace(protocol.training, validations=0))
    whole, initial = made("whole")
    expected = trained(whole, initial, watch())
    sliced, initial = made("sliced")
    with pytest.raises(Interrupted):
        trained(sliced, initial, watch(stop_at))
    again, initial = made("sliced")
    assert_equal(trained(again, initial, watch()).state, expected.state)
    iterations, episodes = protocol.training.iterations, protocol.training.meta_batch
    assert float(expected.state.carried["adam.taken"]) == iterations * episodes * STEPS


def test_a_training_serves_both_shots_and_both_ways_of_testing() -> None:
    one, five = (presets.preset("nichol", get(f"omniglot-5w{shots}s")) for shots in (1, 5))
    assert one == five
    with_it = presets.preset("nichol-transduction", get("omniglot-5w1s"))
    assert with_it.training == one.training and with_it.evaluation.batch_statistics == "batch"
    one, five = (presets.preset("nichol", get(f"miniimagenet-5w{shots}s")) for shots in (1, 5))
    assert one.training == five.training
    assert (one.evaluation.inner_batch, five.evaluation.inner_batch) == (5, 15)


@pytest.mark.parametrize("layers", ["native", "vectorised", "masked"])
def test_what_is_left_over_of_an_odd_size_is_pooled_too(layers: str) -> None:
    """84, 42, 21, 11, 6 (Nichol et al. 2018, code), where the paper of MAML has 84, 42, 21, 10, 5."""
    benchmark = get("miniimagenet-5w1s")
    training = replace(presets.preset("nichol", benchmark).training, filters=4)
    network = conv4(benchmark, training, layers)
    assert network.feature_count == 6 * 6 * 4
    params = network.init(torch.Generator().manual_seed(0), 5)
    params = {name: value + 0.1 for name, value in params.items()}
    images = torch.rand(3, 3, 84, 84, generator=torch.Generator().manual_seed(1))
    hidden = images
    for k in range(1, 5):
        hidden = F.conv2d(hidden, params[f"conv{k}.weight"], params[f"conv{k}.bias"], padding=1)
        of_norm = (params[f"norm{k}.scale"], params[f"norm{k}.shift"])
        hidden = F.relu(F.batch_norm(hidden, None, None, *of_norm, training=True, eps=1e-3))
        hidden = F.max_pool2d(hidden, 2, ceil_mode=True)
    torch.testing.assert_close(network.features(params, images), hidden.flatten(1), rtol=1e-4, atol=1e-4)


def test_it_trains_is_verified_and_is_tested_both_ways(typed: Command, tmp_path: Path) -> None:
    asked = ("--benchmark", "tiny", "--method", "reptile", "--iterations", "3", "--set", "evaluation.episodes=5")
    done = typed("run", *asked, "--protocol", "nichol")
    assert done.returncode == 0 and "inner step 50" in done.stdout, done.stderr
    again = typed("run", *asked, "--protocol", "nichol-transduction")
    assert again.returncode == 0, again.stderr
    (record,) = records.read_all(tmp_path / "results" / "runs")[0]
    assert record.training.classes == "train+valid" and record.training.queries == 0
    found = {each.evaluation.batch_statistics: each for each in record.evaluations}
    assert set(found) == {"support+query", "batch"}
    assert all(each.scores.shape == (5, 1) and each.inner_step == 50 for each in found.values())
    assert not np.array_equal(*(each.scores for each in found.values()))
    verified = typed("verify", "--all")
    assert verified.returncode == 0 and verified.stdout.count("50 to 50 equal, bit for bit") == 2, verified.stdout


@pytest.mark.parametrize(
    ("method", "options", "said"),
    [
        ("maml", ("inner_optimiser=adam",), "inner_optimiser=adam: used by reptile, not by maml"),
        ("maml", ("inner_batch=5",), "inner_batch=5: used by reptile, not by maml"),
        ("maml", ("queries=0",), "queries=0: maml learns from queries"),
        ("reptile", ("queries=0",), "queries=0: reptile learns from queries"),
        ("reptile", ("inner_batch=0",), "inner_batch=0: not a whole number"),
        ("reptile", ("inner_beta1=1",), "inner_beta1=1.0: not a number of at least 0 below 1"),
        ("maml", ("classes=train+valid",), "--set validations=0"),
        ("protonet", ("evaluation.batch_statistics=support+query",), "use batch or support"),
        ("maml", ("meta_lr_final=-1",), "meta_lr_final=-1.0: not a number of at least 0"),
        ("maml", ("meta_lr_final=inf",), "meta_lr_final=inf: not a number of at least 0"),
    ],
)
def test_what_cannot_be_is_one_line(typed: Command, method: str, options: tuple[str, ...], said: str) -> None:
    asked = [word for option in options for word in ("--set", option)]
    assert said in one_line(typed("run", "--benchmark", "tiny", "--method", method, "--dry-run", *asked))
