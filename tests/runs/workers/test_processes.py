"""Seed groups spread over processes of this machine: the same bits as in one process, and nothing lost when one
dies."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bench import devices, records
from bench.cli.running import TIME_IS_UP
from bench.data import store
from bench.protocols import benchmarks, presets
from bench.records import layout
from bench.runs import planning
from bench.runs.groups import SeedGroup, seed_groups, startable
from bench.runs.job import Job
from bench.runs.workers.mapped_images import by_file, reopen
from bench.runs.workers.processes import gpus
from bench.training.workload import NamedMethod, Workload
from tests.conftest import Command, bench_command, bench_environment, one_line
from tests.killing import command, said, working
from tests.runs.test_interruption import contents

TINY = ("run", "--benchmark", "tiny", "--method", "maml", "--checkpoint-every", "0.05")
TWO = ("--seeds", "2", "--threads", "1", "--workers", "2")
LONG = ("--iterations", "80")
WORKERS = (*TINY, *TWO, *LONG)


def jobs(*methods: str, seeds: int = 1, results: Path = Path("results"), data_dir: Path | None = None) -> list[Job]:
    benchmark, images = benchmarks.get("tiny"), store.load("omniglot", data_dir)
    what = {"benchmark": benchmark, "protocol": presets.quick(benchmark), "data": images}
    workload = Workload(method=NamedMethod("maml"), device=torch.device("cpu"), **what)
    return [
        Job(workload=replace(workload, method=NamedMethod(method)), seed=seed, preset="quick", results=results)
        for seed in range(seeds)
        for method in methods
    ]


def sums(results: Path) -> dict[str, dict[str, str]]:
    return {records.read(folder).name: contents(folder) for folder in layout.folders(results)}


def children(parent: int) -> list[int]:
    """The worker processes of a command: its children that spawn started."""
    found = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(pid) for pid in found if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def iterations(results: Path) -> list[int]:
    """The iteration of every run: of its last checkpoint, or its final one."""
    return [records.read_info(folder)["iteration"] for folder in layout.folders(results)]


def test_a_group_waits_for_one_that_writes_where_it_does(tmp_path: Path, data_dir: Path) -> None:
    """Nearest neighbour uses the weights of fine-tuning with the same seed, and need not wait for other seeds."""
    made = jobs("nearest", "maml", "finetune", seeds=2, results=tmp_path, data_dir=data_dir)
    groups = [SeedGroup((job,)) for job in made]
    nearest0, maml0, finetune0, nearest1, maml1, finetune1 = range(6)
    every = [nearest0, maml0, finetune0, nearest1, maml1, finetune1]
    assert list(startable(every, [], groups)) == [nearest0, maml0, nearest1, maml1]
    assert list(startable([finetune0, nearest1], [nearest0], groups)) == [nearest1]
    assert list(startable([nearest0], [finetune0], groups)) == []


def test_what_starts_anew_does_so_before_its_weights_are_evaluated(tmp_path: Path, data_dir: Path) -> None:
    made = [[job] for job in jobs("nearest", "finetune", results=tmp_path, data_dir=data_dir)]
    anew, as_asked = seed_groups(made, force=True), seed_groups(made)
    assert [(group.jobs[0].method, group.anew) for group in anew] == [("finetune", {0}), ("nearest", {0})]
    assert [(group.jobs[0].method, group.anew) for group in as_asked] == [("nearest", set()), ("finetune", set())]


def test_seeds_are_shared_out(tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on GPUs, which train several seeds together: each worker gets some of them."""
    monkeypatch.setattr(planning, "seeds_at_once", lambda *_: 8)
    made = jobs("maml", seeds=5, data_dir=data_dir)
    sizes = {n: [len(group) for group in planning.groups(made, None, n)] for n in (1, 2, 4, 9)}
    assert sizes == {1: [5], 2: [3, 2], 4: [2, 2, 1], 9: [1] * 5}
    assert [len(group) for group in planning.groups(made, 5, 4)] == [5]  # as was asked


def test_images_go_to_a_worker_as_a_file(data_dir: Path) -> None:
    group = SeedGroup(tuple(jobs("maml", seeds=2, data_dir=data_dir)))
    sent = by_file(group.data)
    assert not hasattr(sent.images, "dtype")
    back = group.with_data(reopen(sent))
    assert (back.jobs[1].workload.data.images == group.jobs[1].workload.data.images).all()
    assert back.jobs[1].folder == group.jobs[1].folder
    assert by_file(sent) is sent  # what is no mapped file goes as it is


def test_gpus_are_those_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-5f")
    assert gpus() == ["3", "GPU-5f"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--engine", "rya"), "did you mean 'ray'"),
        (("--workers", "0"), "not a whole number from 1"),
        (("--workers", "2", "--engine", "ray"), "--workers applies to --engine local only"),
        (("--address", "10.0.0.1:6379"), "--address needs --engine ray"),
    ],
)
def test_mistakes_are_one_line(typed: Command, tmp_path: Path, arguments: tuple[str, ...], expected: str) -> None:
    assert expected in one_line(typed(*TINY, *arguments))
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> dict[str, dict[str, str]]:
    """The results of the same command in one process."""
    folder = tmp_path_factory.mktemp("alone")
    assert command(folder, data_dir, (*TINY, *LONG, "--seeds", "2", "--threads", "1")).code == 0
    return sums(folder / "results" / "runs")


@pytest.mark.slow
def test_a_worker_that_dies_is_reported_and_its_group_goes_on(
    tmp_path: Path, data_dir: Path, alone: dict[str, dict[str, str]]
) -> None:
    process, results = working(tmp_path, data_dir, (*WORKERS, "--force"), runs=2), tmp_path / "results" / "runs"
    at_kill = iterations(results)
    os.kill(children(process.pid)[0], signal.SIGKILL)
    while process.is_alive():  # had it begun anew, as the command was ordered to, it would show here
        assert all(now >= then for now, then in zip(iterations(results), at_kill, strict=True))
        time.sleep(0.02)
    assert process.exitcode == 0, said(tmp_path)
    assert said(tmp_path).count("its worker died (signal 9); resuming from the last checkpoint") == 1
    assert sums(results) == alone and len(alone) == 2
    assert said(tmp_path).count("on 20 test episodes") == 2


@pytest.mark.slow
def test_ctrl_c_stops_all_workers_with_checkpoints(
    tmp_path: Path, data_dir: Path, alone: dict[str, dict[str, str]]
) -> None:
    process, results = working(tmp_path, data_dir, WORKERS, runs=2), tmp_path / "results" / "runs"
    workers = children(process.pid)
    for pid in (process.pid, *workers):  # as a terminal does: to the whole group
        os.kill(pid, signal.SIGINT)
    process.join(240)
    errors = said(tmp_path)
    assert process.exitcode == 130 and "Traceback" not in errors, errors
    assert errors.count("at iteration") == 2 and "resume with: python -m bench run" in errors
    assert len(workers) == 2 and not any(Path(f"/proc/{pid}").exists() for pid in workers)
    assert {records.read(folder).status for folder in layout.folders(results)} == {"unfinished"}
    assert command(tmp_path, data_dir, WORKERS).code == 0
    assert sums(results) == alone


@pytest.mark.slow
def test_no_worker_outlives_the_command(tmp_path: Path, data_dir: Path) -> None:
    process = working(tmp_path, data_dir, WORKERS, runs=2)
    workers = children(process.pid)
    process.kill()
    process.join()
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(workers) == 2 and not any(Path(f"/proc/{pid}").exists() for pid in workers)


@pytest.mark.slow
def test_a_group_that_fails_leaves_the_others(typed: Command, tmp_path: Path) -> None:
    two = (*TINY, *TWO)
    assert typed(*two, "--seeds", "1").returncode == 0
    (folder,) = layout.folders(tmp_path / "results" / "runs")
    (folder / layout.RECORD).write_text("{")
    result = typed(*two)
    assert result.returncode == 2 and "seed0: " in result.stderr and layout.RECORD in result.stderr
    assert "seed1: " in result.stdout and "Traceback" not in result.stderr
    assert records.read(folder.with_name("seed1")).status == "finished"


@pytest.mark.slow
def test_a_worker_works_as_the_options_say(typed: Command, tmp_path: Path) -> None:
    short = ("--iterations", "2", "--set", "validations=1")
    assert typed(*TINY, *TWO, *short, "--fast", "--keep", "1").returncode == 0
    devices.make_repeatable(1)  # which the command has undone for this process too
    for folder in layout.folders(tmp_path / "results" / "runs"):
        info = records.read_info(folder)
        assert info["execution"]["threads"] == 1 and not info["execution"]["deterministic"]
        assert "weights@1.safetensors" in info["files"]


@pytest.mark.cuda
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="fewer than two CUDA GPUs on this machine")
def test_two_gpus_leave_what_one_does(tmp_path: Path, data_dir: Path) -> None:
    for name, visible in (("one", "0"), ("two", "0,1")):
        command = bench_command((*TINY, "--seeds", "2", "--together", "1", "--device", "cuda", "--results", name))
        environment = bench_environment(data_dir) | {"CUDA_VISIBLE_DEVICES": visible}
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert sums(tmp_path / "one") == sums(tmp_path / "two")


def test_slices_of_workers_never_stand_still(typed: Command, tmp_path: Path) -> None:
    """Although the time is always up before a worker has started, and the first groups are already done."""
    short = (*TINY, "--threads", "1", "--iterations", "1", "--set", "validations=1", "--set", "evaluation.episodes=2")
    assert typed(*short, "--seed", "0", "--seed", "1").returncode == 0
    for _ in range(3):
        ran = typed(*short, "--seeds", "3", "--workers", "2", "--max-minutes", "0.000001")
        if ran.returncode == 0:
            break
        assert ran.returncode == TIME_IS_UP, ran
    assert ran.returncode == 0 and set(iterations(tmp_path / "results" / "runs")) == {1}
