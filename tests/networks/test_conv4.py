"""Conv4 against the published description: sizes, padding, initialisation, normalisation."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from bench.networks.conv4 import conv4
from bench.protocols import benchmarks, presets
from tests.conftest import double


def network(name: str, **changes: object):
    benchmark = benchmarks.get(name)
    return conv4(benchmark, replace(presets.paper(benchmark).training, **changes))


def test_the_authors_network_has_32773_parameters() -> None:
    """protocols.md: the authors' 5-way checkpoint has 32,773 float32 numbers; its head has 800 inputs."""
    params = network("miniimagenet-5w1s").init(torch.Generator(), 5)
    assert sum(p.numel() for p in params.values()) == 32_773
    assert params["head.weight"].shape == (5, 800)


@pytest.mark.parametrize("name", ["omniglot-5w1s", "miniimagenet-5w5s"])
def test_shapes(name: str) -> None:
    net = network(name)
    params = net.init(torch.Generator().manual_seed(0), 7)
    images = torch.rand(6, *net.input_shape)
    assert net(params, images).shape == (6, 7) and net.features(params, images).shape == (6, net.feature_count)
    assert net.observed(params, images)["norm4.mean"].shape == (net.training.filters,)


def test_batch_norm_is_the_native_one() -> None:
    net = network("omniglot-5w1s", batch_norm_scale=True)
    params = double(net.init(torch.Generator().manual_seed(0), 5))
    hidden = torch.randn(6, 64, 7, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    params["norm1.scale"] = torch.linspace(0.5, 2, 64, dtype=torch.float64)
    params["norm1.shift"] = torch.linspace(-1, 1, 64, dtype=torch.float64)
    seen: dict[str, torch.Tensor] = {}
    last = hidden.movedim(1, -1)
    ours = net._batch_norm(1, params, last, None, seen).movedim(-1, 1)
    theirs = F.batch_norm(hidden, None, None, params["norm1.scale"], params["norm1.shift"], training=True, eps=1e-3)
    torch.testing.assert_close(ours, theirs)
    given = net._batch_norm(1, params, last, {k: v + 1 for k, v in seen.items()}, None).movedim(-1, 1)
    fixed = F.batch_norm(
        hidden,
        seen["norm1.mean"] + 1,
        seen["norm1.variance"] + 1,
        params["norm1.scale"],
        params["norm1.shift"],
        eps=1e-3,
    )
    torch.testing.assert_close(given, fixed)


def test_initialisation() -> None:
    generator = torch.Generator().manual_seed(0)
    glorot = network("miniimagenet-5w5s").init(generator, 5)
    for name, fan in (("conv1", 9 * (3 + 32)), ("conv2", 9 * 64), ("head", 805)):
        bound = (6 / fan) ** 0.5
        assert 0.9 * bound < glorot[f"{name}.weight"].abs().max() <= bound
        assert not glorot[f"{name}.bias"].any()
    omniglot = network("omniglot-5w1s").init(generator, 50)
    assert omniglot["head.weight"].std() == pytest.approx(1, abs=0.05)
    default = network("omniglot-5w1s", initialisation="pytorch").init(generator, 5)
    reference = torch.nn.Conv2d(64, 64, 3)
    assert default["conv2.weight"].abs().max() == pytest.approx(float(reference.weight.abs().max()), rel=0.02)
    assert default["conv2.bias"].any()


def test_he_is_of_the_fan_out() -> None:
    """N(0, 2 / (9 * filters)), whatever the number of input channels (wyharveychen/CloserLookFewShot, backbone.py:
    init_layer)."""
    params = network("omniglot-5w1s", initialisation="he").init(torch.Generator().manual_seed(0), 5)
    for k in (1, 2, 3, 4):
        assert float(params[f"conv{k}.weight"].std()) == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.15)
    assert float(params["head.weight"].abs().max()) <= 64**-0.5
