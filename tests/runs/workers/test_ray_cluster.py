"""Seed groups spread over a real Ray cluster of two nodes on this machine: the same bits as in one process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import records
from bench.records import layout
from tests.conftest import ROOT, Command, bench_command, bench_environment, one_line
from tests.killing import have_checkpoints
from tests.runs.workers.test_processes import LONG, TINY, sums

_STORE_BYTES = 80 * 2**20


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Any]]:
    """A cluster and its second node; each node has one CPU and none of our data."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("BENCH_DATA", "/nowhere")
    monkeypatch.setenv("RAY_worker_niceness", "0")  # by default the lowest: beside anything else they stand still
    node = {"num_cpus": 1, "object_store_memory": _STORE_BYTES}
    cluster = Cluster(initialize_head=True, head_node_args=node | {"include_dashboard": False})
    try:
        yield cluster, cluster.add_node(**node)
    finally:
        cluster.shutdown()


def kill_9(node: Any) -> None:
    """Kills a whole node: its raylet, and the processes that it started."""
    (raylet,) = (info.process.pid for info in node.all_processes["raylet"])
    children = Path(f"/proc/{raylet}/task/{raylet}/children").read_text().split()
    for pid in (raylet, *map(int, children)):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.full
def test_a_node_that_dies_leaves_its_group_to_another(
    nodes: tuple[Any, Any], tmp_path: Path, data_dir: Path, bench: Command
) -> None:
    cluster, second = nodes
    two = (*TINY, *LONG, "--seeds", "2", "--threads", "1")
    assert bench(*two, "--results", "alone").returncode == 0
    command = bench_command((*two, "--engine", "ray", "--address", cluster.address))
    environment, pipe = bench_environment(data_dir), subprocess.PIPE
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, text=True, stdout=pipe, stderr=pipe)
    results = tmp_path / "results" / "runs"
    assert have_checkpoints(results, 2, lambda: process.poll() is None), process.communicate()  # one of each node
    kill_9(second)
    output, errors = process.communicate(timeout=500)
    assert process.returncode == 0, errors
    assert "its worker died; resuming from the last checkpoint" in errors
    assert output.count("on 20 test episodes") == 2 and "Traceback" not in errors
    assert sums(results) == sums(tmp_path / "alone") and len(sums(results)) == 2
    assert not list(results.glob(".ray-*"))


@pytest.mark.full
def test_ctrl_c_stops_the_tasks_with_checkpoints(nodes: tuple[Any, Any], tmp_path: Path, data_dir: Path) -> None:
    ray = ("--seeds", "2", "--engine", "ray", "--address", nodes[0].address)
    environment, pipe = bench_environment(data_dir), subprocess.PIPE
    command = bench_command((*TINY, "--iterations", "3000", *ray))
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, text=True, stdout=pipe, stderr=pipe)
    results = tmp_path / "results" / "runs"
    assert have_checkpoints(results, 2, lambda: process.poll() is None), process.communicate()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 130 and "Traceback" not in errors, errors
    assert errors.count("at iteration") == 2 and "resume with: python -m bench run" in errors
    before = [records.read_info(folder)["iteration"] for folder in layout.folders(results)]
    time.sleep(2)
    assert [records.read_info(folder)["iteration"] for folder in layout.folders(results)] == before


def test_without_ray_it_says_so(typed: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert "pip install 'few-shot-bench[ray]'" in one_line(typed(*TINY, "--engine", "ray"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("address", "expected"),
    [("127.0.0.1:1", "no Ray cluster answers there"), ("here", "HOST:PORT"), ("ray://10.0.0.1:10001", "HOST:PORT")],
)
def test_no_cluster_at_that_address(typed: Command, tmp_path: Path, address: str, expected: str) -> None:
    pytest.importorskip("ray")
    assert expected in one_line(typed(*TINY, "--engine", "ray", "--address", address))
    assert not list(tmp_path.iterdir())
