"""What the tests share: small images, small methods, and the real command line in a subprocess."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._pytree import tree_map

from bench import devices
from bench.__main__ import main
from bench.data.images import ImageSet
from bench.protocols.benchmarks import Benchmark
from bench.protocols.protocol import Protocol
from bench.runs import step_times
from bench.tools.check import toy_data as check
from bench.training.execution import Execution
from methods import METHODS
from methods.contract import Method, Params, State
from tests.counting import counts

ROOT = Path(__file__).parent.parent

Command = Callable[..., subprocess.CompletedProcess[str]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts files with slow tests first, so that no process is left with one of them when the others have ended."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints the counts of `tests.counting`."""
    if counts:
        terminalreporter.section("counted")
    for what, count in sorted(counts.items()):
        terminalreporter.write_line(f"{what}: {count}")


@pytest.fixture(scope="session", autouse=True)
def _repeatable() -> None:
    devices.make_repeatable(1)  # the tensors are small: threads would only wait for each other


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps the tests away from the user's cache folder, and lets a dry run time one step of each kind only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(step_times, "_SECONDS", 0.0)
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def small() -> Benchmark:
    """An image benchmark: 3 ways, 2 shots, 12 x 12 grey images."""
    return check.BENCHMARK


@pytest.fixture
def noise() -> ImageSet:
    """8 classes per split x 12 random images of 12 x 12; the first class of each split contains its last image
    twice."""
    return check.noise()


@pytest.fixture
def tiny_protocol() -> Protocol:
    """The protocol `tiny` for the benchmark `small`: a few iterations with a few filters."""
    return check.of_images()


@pytest.fixture
def sinusoid_protocol() -> Protocol:
    """A short protocol for `sinusoid-5s`, with few episodes."""
    return check.of_functions()


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory for the whole test session."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def bench(tmp_path: Path, data_dir: Path) -> Command:
    """Runs `python -m bench ...` in an empty folder, on the CPU, as a user would."""

    def run(*arguments: str, cwd: Path = tmp_path, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            bench_command(arguments),
            cwd=cwd,
            env=bench_environment(data_dir),
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run


@pytest.fixture
def typed(
    tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Runs `python -m bench ...` as `bench` does, but in this process, because importing torch takes seconds."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_DATA", str(data_dir))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["bench", *arguments])
        capsys.readouterr()
        code = main()
        output = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, code, output.out, output.err)

    return run


def build(name: str, benchmark: Benchmark, protocol: Protocol, layers: str = "vectorised") -> Method:
    """Builds a method under a protocol, for the eight training classes of `noise`, or for sinusoids."""
    return check.workload(METHODS[name], benchmark, protocol).build(layers)


def meta_step(execution: Execution, method: Method, state: State, batch: Any) -> tuple[torch.Tensor, Params, Params]:
    """The loss, gradient and carried state of one seed, computed by the code that trains."""

    def with_seed(values: Any) -> Any:
        return tree_map(lambda tensor: tensor[None], values)

    found = execution.loss_and_gradient(method, with_seed(state), with_seed(batch))
    return tree_map(lambda tensor: tensor[0], found)


def bench_command(arguments: Sequence[str]) -> list[str]:
    """The command line for a subprocess."""
    return [sys.executable, "-m", "bench", *arguments]


def bench_environment(data_dir: Path) -> dict[str, str]:
    """The environment of such a subprocess: this code, the test data, no GPU."""
    return os.environ | {
        "PYTHONPATH": str(ROOT),
        "BENCH_DATA": str(data_dir),
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
    }


def one_line(result: subprocess.CompletedProcess[str]) -> str:
    """The error of a command that a user got wrong: exactly one line, exit code 2, no traceback."""
    assert result.returncode == 2, (result.returncode, result.stdout, result.stderr)
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), result.stderr
    return lines[0]


def double(params: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The parameters in float64."""
    return {name: value.double() for name, value in params.items()}
