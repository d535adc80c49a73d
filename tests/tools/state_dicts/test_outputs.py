"""Our outputs equal theirs: for each layout, before and after adaptation, in float64."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from bench.networks.conv4 import conv4
from bench.networks.layers import ALONE, LAYERS
from bench.protocols import benchmarks, presets
from bench.protocols.protocol import Training
from bench.tools.state_dicts import inferred_settings
from bench.tools.state_dicts import weights as weights_module
from bench.tools.state_dicts.weights import Weights
from bench.training.objectives import objective
from methods.contract import Params, Setup, State
from methods.maml import Maml
from tests.conftest import double
from tests.tools.state_dicts.theirs import NETWORKS, SEEN, trained_looking


def read(path: Path, network: nn.Module, benchmark: str) -> tuple[Weights, Training]:
    """A network's weights, saved to a file and read from it, and the training settings inferred from them."""
    torch.save(network.state_dict(), path)
    weights = weights_module.read(path)
    found = benchmarks.get(benchmark)
    base = presets.paper(found).training
    return weights, inferred_settings.training(path, weights.tensors, weights.matching.layout, found, base, {})


@pytest.fixture(params=NETWORKS, ids=str)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[nn.Module, Weights, Training, str, str]:
    made, benchmark, seen = NETWORKS[request.param]
    network = trained_looking(made())
    weights, training = read(tmp_path / "theirs.pth", network, benchmark)
    assert weights.matching.layout.name == request.param.split(", grey")[0]
    return network.double().train(), weights, training, benchmark, seen


def drawn(benchmark: str, count: int = 5) -> Tensor:
    shape = benchmarks.get(benchmark).input_shape
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("layers", [name for name in LAYERS if name != "pooled"])
def test_outputs(case: tuple[nn.Module, Weights, Training, str, str], layers: str) -> None:
    network, weights, training, benchmark, seen = case
    images = drawn(benchmark)
    ours = conv4(benchmarks.get(benchmark), training, layers)(double(weights.tensors), images)
    torch.testing.assert_close(ours, network(SEEN[seen](images)), rtol=1e-9, atol=1e-9)


def test_outputs_after_two_inner_steps(case: tuple[nn.Module, Weights, Training, str, str]) -> None:
    """Gradient descent on all parameters, or without the norms' if their code does not adapt these."""
    network, weights, training, benchmark, seen = case
    found = benchmarks.get(benchmark)
    training = replace(training, inner_lr=0.01)
    evaluation = replace(presets.paper(found).evaluation, inner_steps=2)
    setup = Setup(conv4(found, training), objective(found).loss, 5, 5, training, evaluation)
    support, query, labels = drawn(benchmark), drawn(benchmark, 10)[5:], torch.arange(5)
    params = double({k: v for k, v in weights.tensors.items() if k.endswith(("weight", "bias", "shift", "scale"))})
    ours = Maml(setup).predict(State(params, {}), support, labels, query, {})
    theirs = adapted(network, "torchmeta" not in weights.matching.layout.name, SEEN[seen](support), labels)
    torch.testing.assert_close(ours[-1], theirs(SEEN[seen](query)), rtol=1e-7, atol=1e-7)
    assert not torch.allclose(ours[-1], ours[0])


def adapted(network: nn.Module, norms: bool, support: Tensor, labels: Tensor) -> Callable[[Tensor], Tensor]:
    params: Params = {k: v for k, v in network.named_parameters() if v.requires_grad and (norms or "norm" not in k)}
    for _ in range(2):
        loss = nn.functional.cross_entropy(functional_call(network, params, (support,)), labels)
        gradients = torch.autograd.grad(loss, list(params.values()))
        params = {k: v - 0.01 * g for (k, v), g in zip(params.items(), gradients, strict=True)}
    return lambda query: functional_call(network, params, (query,))


def test_pooled_layers_are_for_the_papers_blocks_alone() -> None:
    """Pooling first would be wrong if ReLU comes before the norm."""
    assert "pooled" in ALONE
    found = benchmarks.get("miniimagenet-5w1s")
    paper = presets.paper(found).training
    assert conv4(found, paper).fastest_layers("cpu", False, True) == "pooled"
    assert conv4(found, replace(paper, blocks="unpadded")).fastest_layers("cpu", False, True) == "native"
