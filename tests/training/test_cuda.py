"""Tests that need a CUDA GPU; skipped, visibly, without one. `tox -e cuda` runs them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import torch

from bench import devices, records
from bench.data.images import ImageSet
from bench.episodes.images import ImageEpisodes
from bench.errors import UserError
from bench.files import sha256
from bench.protocols import benchmarks
from bench.protocols.benchmarks import Benchmark
from bench.protocols.protocol import Protocol
from bench.records import layout
from bench.tools.speed.case import Case
from bench.tools.speed.contenders import Loop, Ours
from bench.training import evaluation, initial
from bench.training.execution import MODES, Execution
from methods.contract import Episode, State
from tests.conftest import Command, bench_command, bench_environment, build, double, meta_step

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU on this machine"),
]
CUDA = torch.device("cuda", 0)


@pytest.mark.parametrize("layers", ["masked", "patches"])
@pytest.mark.parametrize("mode", ["eager", "compiled"])
@pytest.mark.parametrize("name", ["maml", "fomaml"])
def test_the_gradient_is_the_cpus(
    small: Benchmark, noise: ImageSet, tiny_protocol: Protocol, name: str, mode: str, layers: str
) -> None:
    found = {}
    for execution in (Execution(torch.device("cpu"), 2), Execution(CUDA, 2, mode, layers)):
        device = execution.device
        method = build(name, small, tiny_protocol, execution.layers)
        params = double(initial.initial_state(method, 0).params)
        state = State({key: value.to(device) for key, value in params.items()}, {})
        # Drawn on the CPU: on CUDA the division by 255 is rounded otherwise, which a gradient in float64 shows.
        batch = ImageEpisodes(small, noise, "train", 0, small.episode(2)).episodes(0, 3)
        batch = Episode(*(part.to(device) for part in batch))
        batch = batch._replace(support=batch.support.double(), query=batch.query.double())
        found[device.type] = meta_step(execution, method, state, batch)[1]
    for key, value in found["cpu"].items():
        torch.testing.assert_close(found["cuda"][key].cpu(), value, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["tiny", "miniimagenet-5w5s"])
def test_every_mode_moves_the_weights_as_the_loop_does(name: str, mode: str) -> None:
    """Three meta-steps from rehearsed and captured state, against autograd.grad through an `nn.Module`."""
    case = Case(benchmarks.get(name), "maml", CUDA, None, meta_batch=2, inner_steps=1)
    try:
        assert case.training_batch
    except UserError as error:
        pytest.skip(str(error))
    ours, loop = Ours(case, case.execution(mode)), Loop(case)
    for key, value in loop.params.items():
        assert torch.equal(ours.params[key][0], value)  # what was rehearsed left no trace
    for _ in range(3):
        ours.meta_step()
        loop.meta_step()
    for key, value in loop.params.items():
        if "conv" not in key or "bias" not in key:  # of which batch norm leaves nothing but rounding
            torch.testing.assert_close(ours.params[key][0], value.detach(), rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("together", ["1", "2"])
def test_the_same_command_twice_ends_in_the_same_bits(tmp_path: Path, data_dir: Path, mode: str, together: str) -> None:
    sums = []
    for folder in ("a", "b"):
        more = ("--device", "cuda", "--mode", mode, "--seeds", "2", "--together", together, "--results", folder)
        command = bench_command(["run", "--benchmark", "tiny", "--method", "maml", *more])
        visible = {"CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "0")}
        environment = bench_environment(data_dir) | visible
        subprocess.run(command, cwd=tmp_path, env=environment, check=True)
        files = sorted(path for path in (tmp_path / folder).rglob("*") if path.suffix in (".safetensors", ".parquet"))
        sums.append({path.name: sha256(path) for path in files if path.name != layout.CURVE})
        info = records.read_info(next(layout.folders(tmp_path / folder)))
        assert info["execution"]["mode"] == mode
    assert sums[0] == sums[1] and len(sums[0]) == 3


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("precision", "bits"), [("tf32", 11), ("bf16", 8)])
def test_a_precision_moves_the_gradient_by_what_its_mantissa_lacks(mode: str, precision: str, bits: int) -> None:
    """And the global switches are restored. There are about twenty products in a row:
    tests/networks/test_precision.py."""
    if precision == "tf32" and not devices.has_tf32(CUDA):
        pytest.skip("a GPU without TF32")
    case = Case(benchmarks.get("tiny"), "maml", CUDA, None, meta_batch=2, inner_steps=1)
    exact = {}
    for each in ("fp32", precision):
        execution = Execution(CUDA, 2, mode, "patches", each)
        method = case.workload.build(execution.layers, each)
        gradient = meta_step(execution, method, case.initial, case.training_batch)[1]
        exact[each] = torch.cat([value.flatten() for value in gradient.values()])
    apart = (exact[precision] - exact["fp32"]).norm() / exact["fp32"].norm()
    assert 2.0**-bits / 10 < apart < 30 * 2.0**-bits
    assert not torch.backends.cudnn.allow_tf32 and not torch.backends.cuda.matmul.allow_tf32


@pytest.mark.parametrize("mode", MODES)
def test_what_ran_here_is_verified_here(typed: Command, mode: str) -> None:
    """Scored and trained again as recorded, two seeds at once."""
    run = ("run", "--benchmark", "tiny", "--device", "cuda", "--mode", mode, "--seeds", "2", "--together", "2")
    assert typed(*run).returncode == 0
    result = typed("verify", "--all", "--retrain")
    assert result.returncode == 0 and result.stdout.count("verified: bit for bit") == 2, result.stdout
    assert result.stdout.count("bits are promised here") == 2 and f", {mode}, " in result.stdout


def test_scores_hardly_depend_on_the_chunk(small: Benchmark, noise: ImageSet, tiny_protocol: Protocol) -> None:
    method = build("maml", small, tiny_protocol, "patches")
    state = initial.initial_state(method, 0)
    state = State({key: value.to(CUDA) for key, value in state.params.items()}, {})
    source = ImageEpisodes(small, noise, "test", 0, small.episode(3)).on(CUDA)
    one, many = (evaluation.scores(Execution(CUDA, chunk), method, state, source, 20, {}) for chunk in (1, 20))
    assert abs(one - many).mean() < 0.02


def test_a_full_memory_halves_the_chunk(typed: Command, tmp_path: Path) -> None:
    total = torch.cuda.get_device_properties(CUDA).total_memory
    settings = ("meta_batch=512", "filters=64", "episodes=4", "validations=1", "validation_episodes=2")
    more = ("--iterations", "2", "--chunk", "512", *(part for text in settings for part in ("--set", text)))
    torch.cuda.set_per_process_memory_fraction(min(1.0, 1.5 * 2**30 / total))
    try:
        result = typed("run", "--benchmark", "tiny", "--device", "cuda", "--mode", "graph", "--results", "r", *more)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert result.returncode == 0 and "out of memory: continuing with" in result.stderr
    (record,) = records.read_all(tmp_path / "r")[0]
    assert record.info["execution"]["chunk"] < 512
