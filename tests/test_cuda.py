"""What only a CUDA GPU can show; skips, visibly, where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bench import batches, job
from bench.benchmarks import Benchmark
from bench.data.images import ImageSet
from bench.execution import Execution
from bench.protocol import Protocol
from tests.conftest import build, double, meta_step

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU on this machine"),
]


@pytest.mark.parametrize("name", ["maml", "fomaml"])
def test_the_gradient_is_the_cpus(small: Benchmark, noise: ImageSet, tiny_protocol: Protocol, name: str) -> None:
    found = {}
    for device in (torch.device("cpu"), torch.device("cuda", 0)):
        method = build(name, small, tiny_protocol)
        state = job.initial_state(method, 0)
        state = type(state)({k: v.to(device) for k, v in double(state.params).items()}, {})
        batch = batches.source(small, noise, "train", 0, 2, device).episodes(0, 3)
        batch = batch._replace(support=batch.support.double(), query=batch.query.double())
        found[device.type] = meta_step(Execution(device, 2), method, state, batch)[1]
    for key, value in found["cpu"].items():
        torch.testing.assert_close(found["cuda"][key].cpu(), value, rtol=1e-9, atol=1e-11)


def test_the_same_command_twice_ends_in_the_same_bits(tmp_path: Path, data_dir: Path) -> None:
    import os
    import subprocess

    from bench import records
    from tests.conftest import bench_command, bench_environment

    sums = []
    for folder in ("a", "b"):
        command = bench_command(
            ["run", "--benchmark", "tiny", "--method", "maml", "--device", "cuda", "--results", folder]
        )
        environment = bench_environment(data_dir) | {
            "CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "0")
        }
        subprocess.run(command, cwd=tmp_path, env=environment, check=True)
        found = next(records.folders(tmp_path / folder))
        sums.append(
            [
                records.sha256(path)
                for path in sorted(found.rglob("*.safetensors")) + sorted(found.rglob("evaluations/*.parquet"))
            ]
        )
    assert sums[0] == sums[1] and len(sums[0]) == 3
