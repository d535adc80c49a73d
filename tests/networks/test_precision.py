"""Precision: bfloat16 rounds products as torch.autocast does, is close to fp32 in every execution, and is recorded
separately."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bench import records
from bench.networks.conv4 import Conv4
from bench.networks.layers import native_convolution
from bench.protocols import benchmarks
from bench.records import layout
from bench.records.weights import load_state
from bench.tools.speed.case import Case
from bench.training import initial
from bench.training.execution import Execution
from methods.contract import Params
from tests.conftest import Command, meta_step
from tests.methods.test_meta_gradient import plain_loop

CPU = torch.device("cpu")
TINY = ("run", "--benchmark", "tiny", "--threads", "1")


@pytest.fixture(params=["maml", "fomaml"])
def case(request: pytest.FixtureRequest) -> Case:
    """Weights at which a float32 meta-gradient is well conditioned."""
    return Case(benchmarks.get("tiny"), request.param, CPU, None, meta_batch=3, inner_steps=1)


def gradient(case: Case, precision: str, chunk: int = 1, mode: str = "eager", layers: str = "native") -> Params:
    method = case.workload.build(layers, precision)
    execution = Execution(CPU, chunk, mode, layers, precision)
    return meta_step(execution, method, case.initial, case.training_batch)[1]


def apart(ours: Params, theirs: Params) -> float:
    """The norm of the difference of two gradients, relative to the norm of the second."""
    x, y = (torch.cat([part[name].flatten() for name in theirs]) for part in (ours, theirs))
    return float((x - y).norm() / y.norm())


class Autocast:
    """The network of `tiny` with torch.autocast and torch's own layers: [images, channels, height, width] inside."""

    def __init__(self, network: Conv4) -> None:
        self.epsilon = network.training.batch_norm_epsilon

    def __call__(self, params: Params, images: Tensor, statistics: None = None) -> Tensor:
        hidden = images
        for k in (1, 2, 3, 4):
            hidden = self._block(k, params, hidden)
        with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
            return F.linear(hidden.mean((2, 3)), params["head.weight"], params["head.bias"]).float()

    def _block(self, k: int, params: Params, images: Tensor) -> Tensor:
        rows_last = images.permute(0, 2, 3, 1)
        with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
            hidden = native_convolution(rows_last, params[f"conv{k}.weight"], params[f"conv{k}.bias"], 2)
        hidden = hidden.float().permute(0, 3, 1, 2)
        shift = params[f"norm{k}.shift"]
        return F.relu(F.batch_norm(hidden, None, None, torch.ones_like(shift), shift, True, eps=self.epsilon))


def test_bf16_is_what_autocast_does(case: Case) -> None:
    """Forward, backward and, for MAML, through the gradient: by `autograd.grad` of a plain loop under autocast."""
    training, network = case.protocol.training, case.workload.build().setup.network
    _, theirs = plain_loop(Autocast(network), training, case.initial.params, case.training_batch, case.method == "maml")
    assert apart(gradient(case, "bf16"), theirs) < 0.01 < apart(gradient(case, "fp32"), theirs)


EXECUTIONS = [(1, "eager", "native"), (2, "eager", "vectorised"), (3, "eager", "patches"), (2, "eager", "masked")]


@pytest.mark.parametrize(
    ("chunk", "mode", "layers"), [*EXECUTIONS, pytest.param(3, "compiled", "patches", marks=pytest.mark.full)]
)
def test_bf16_is_near_fp32_in_every_execution(case: Case, chunk: int, mode: str, layers: str) -> None:
    """A product of two factors of 8 bits is off by up to 2^-8, and there are about twenty in a row: five layers,
    forward and backward, in the inner and in the outer step."""
    ours, exact = gradient(case, "bf16", chunk, mode, layers), gradient(case, "fp32")
    assert 2**-8 < apart(ours, exact) < 30 * 2**-8
    assert all(value.dtype == torch.float32 for value in ours.values())


def test_only_products_are_rounded(case: Case) -> None:
    """Batch norm's statistics have more than 8 bits: they are neither stored nor computed in bfloat16."""
    network, params = case.workload.build("native", "bf16").setup.network, case.initial.params
    seen = network.observed(params, case.training_batch.support[0])
    assert all(value.dtype == torch.float32 and (value != value.bfloat16()).any() for value in seen.values())


@pytest.mark.parametrize("method", ["maml", "fomaml", "finetune", "nearest"])
def test_every_method_trains_in_bf16_and_is_tested_in_fp32(typed: Command, tmp_path: Path, method: str) -> None:
    result = typed(*TINY, "--method", method, "--set", "precision=bf16", "--iterations", "4")
    assert result.returncode == 0, result.stderr
    record = next(r for r in records.read_all(tmp_path / "results" / "runs")[0] if r.method == method)
    assert record.training.precision == "bf16" and record.evaluations[0].evaluation.precision == "fp32"
    weights = load_state(record.path / layout.WEIGHTS, CPU)
    assert all(tensor.dtype == torch.float32 for part in weights for tensor in part.values())


def test_an_evaluation_in_bf16_is_another_one_of_the_same_weights(typed: Command, tmp_path: Path) -> None:
    assert typed(*TINY).returncode == 0
    (record,) = records.read_all(tmp_path / "results" / "runs")[0]
    assert typed("evaluate", record.name, "--set", "precision=bf16").returncode == 0
    found = {e.evaluation.precision: e.scores for e in records.read(record.path).evaluations}
    assert found.keys() == {"fp32", "bf16"} and (found["fp32"] != found["bf16"]).any()


def test_validation_is_in_the_evaluations_precision_whatever_training_is(typed: Command, tmp_path: Path) -> None:
    """The best weights are chosen by scores that are measured alike for all runs. A learning rate close to 0 leaves the
    weights almost unchanged, so that only validation could make the two runs differ."""
    for precision in ("fp32", "bf16"):
        assert typed(*TINY, "--set", f"precision={precision}", "--set", "meta_lr=1e-30").returncode == 0
    curves = [record.curve for record in records.read_all(tmp_path / "results" / "runs")[0]]
    assert len(curves) == 2 and not curves[0]["train_loss"].equals(curves[1]["train_loss"])
    assert curves[0]["valid_score"].equals(curves[1]["valid_score"])


def test_fp32_is_one_network_for_all(case: Case) -> None:
    """With equal precisions, training and validation share a method, and therefore its compiled code."""
    made = replace(case.workload)
    assert made.build("patches") is made.build("patches", "fp32") is not made.build("patches", "bf16")
    assert initial.initial_state(made.build(), 0).params.keys() == case.initial.params.keys()


def test_what_was_computed_in_bf16_is_verified_in_bf16(typed: Command) -> None:
    assert typed(*TINY, "--set", "precision=bf16", "--set", "evaluation.precision=bf16").returncode == 0
    result = typed("verify", "--all", "--retrain")
    assert result.returncode == 0 and "verified: bit for bit" in result.stdout, result.stdout
