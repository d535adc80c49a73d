"""The same command gives the same bits: whatever ran before it, in any order, in one process or in several."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import rich.style  # noqa: F401  which draws from `random` once, when it is first imported
import torch

from bench import records
from bench.files import sha256
from bench.records import layout
from tests.conftest import Command

RUN = ("run", "--benchmark", "tiny", "--iterations", "6", "--set", "validations=2")
METHODS = ("finetune", "maml")


def bits(results: Path) -> dict[str, str]:
    """Run and file -> SHA-256, for all weights and scores."""
    files = [path for path in results.rglob("*") if path.suffix in (".safetensors", ".parquet")]
    return {str(path.relative_to(results)): sha256(path) for path in files if path.name != layout.CURVE}


def curves(results: Path) -> list[list[object]]:
    """The learning curve of every run, without the seconds."""
    found, problems = records.read_all(results)
    assert not problems
    return [record.curve.drop(columns="seconds").fillna(-1).to_numpy().tolist() for record in found]


@pytest.fixture
def together(typed: Command, tmp_path: Path) -> Path:
    """Two seeds of two methods in one command."""
    methods = [word for name in METHODS for word in ("--method", name)]
    assert typed(*RUN, *methods, "--seeds", "2", "--results", "together").returncode == 0
    return tmp_path / "together"


def test_one_after_the_other_in_another_order(typed: Command, tmp_path: Path, together: Path) -> None:
    """In a process that has already done other things, including with its global random generators."""
    assert typed(*RUN, "--method", "fomaml", "--set", "inner_steps=2", "--results", "before").returncode == 0
    for seed in (1, 0):
        for method in reversed(METHODS):
            random.seed(seed), np.random.seed(seed), torch.manual_seed(seed), torch.rand(99)
            assert typed(*RUN, "--method", method, "--seed", str(seed), "--results", "apart").returncode == 0
    assert bits(tmp_path / "apart") == bits(together) and len(bits(together)) == 16
    assert curves(tmp_path / "apart") == curves(together)


def test_another_process(bench: Command, tmp_path: Path, together: Path) -> None:
    more = ("--method", "maml", "--seed", "1", "--checkpoint-every", "0", "--results", "other")
    result = bench(*RUN, *more)
    assert result.returncode == 0, result.stderr
    other = bits(tmp_path / "other")
    assert other.items() <= bits(together).items() and len(other) == 4


def test_a_run_leaves_the_global_generators_alone(typed: Command) -> None:
    def states() -> tuple:
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()

    before = states()
    assert typed(*RUN).returncode == 0
    assert states() == before
