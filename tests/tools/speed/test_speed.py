"""`bench speed`: all implementations compute the same, and it shows what was measured."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch.utils._pytree import tree_map

from bench.protocols import benchmarks
from bench.tools.speed import contenders, measure
from bench.tools.speed.case import Case
from tests.conftest import Command, one_line

CPU = torch.device("cpu")


@pytest.fixture
def case() -> Case:
    """A case with two episodes of `tiny`, in float64."""
    made = Case(benchmarks.get("tiny"), "maml", CPU, None, meta_batch=2, inner_steps=3)

    def double(values):
        return tree_map(lambda tensor: tensor.double() if tensor.is_floating_point() else tensor, values)

    made.__dict__["initial"] = double(made.initial)
    made.__dict__["training_batch"], made.__dict__["test_batch"] = double(made.training_batch), double(made.test_batch)
    return made


@pytest.mark.parametrize("name", list(contenders.LIBRARIES))
def test_libraries_compute_the_gradient_and_the_scores_of_the_loop(case: Case, name: str) -> None:
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    loop, library = contenders.Loop(case), contenders.LIBRARIES[name](case)
    torch.testing.assert_close(library.evaluation(), loop.evaluation())
    for each in (loop, library):
        each.meta_step()
    for key, value in loop.params.items():
        torch.testing.assert_close(library.params[key].grad, value.grad, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(library.params[key], value)


@pytest.mark.parametrize("method", ["maml", "fomaml", "finetune"])
def test_ours_computes_them_too(method: str) -> None:
    """In float32, because our implementation gathers its images by itself."""
    case = Case(benchmarks.get("tiny"), method, CPU, None, meta_batch=4)
    loop, ours = contenders.installed_loops(method)["loop"](case), contenders.Ours(case, case.execution("eager"))
    assert torch.equal(ours.evaluation().double(), loop.evaluation().double())
    for each in (loop, ours):
        each.meta_step()
    for key, value in loop.params.items():
        torch.testing.assert_close(ours.params[key].grad[0], value.grad, rtol=1e-4, atol=1e-6)


def test_calls_are_timed_in_turn_and_the_first_turn_does_not_count() -> None:
    called: list[str] = []
    seconds = measure.time_in_turns({"a": lambda: called.append("a"), "b": lambda: called.append("b")}, 2, CPU)
    assert called == ["a", "b"] * 3 and [len(samples) for samples in seconds.values()] == [2, 2]


@pytest.mark.slow
def test_the_command_shows_times_and_memory_and_keeps_every_sample(bench: Command, tmp_path: Path) -> None:
    result = bench(
        *("speed", "--benchmark", "tiny", "--method", "fomaml", "--mode", "eager", "--repeats", "2"),
        *("--meta-batches", "1,4", "--inner-steps", "2", "--figure", "memory.png", "--json", "speed.json"),
    )
    assert result.returncode == 0, result.stderr
    found = json.loads((tmp_path / "speed.json").read_text())
    assert {"ours eager", "loop"} <= {row["contender"] for row in found["rows"]}
    assert all(len(row["meta_step_seconds"]) == 2 for row in found["rows"])
    sizes = {(row["what"], row["size"]) for row in found["memory"]}
    assert sizes == {("meta_batch", 1), ("meta_batch", 4), ("inner_steps", 2)}
    assert "1.00x" in result.stdout and "peak, MiB, by inner steps" in result.stdout
    assert (tmp_path / "memory.png").read_bytes().startswith(b"\x89PNG")


def test_what_it_cannot_time_is_one_line(typed: Command) -> None:
    assert "time maml, fomaml, finetune" in one_line(typed("speed", "--benchmark", "tiny", "--method", "protonet"))
    assert "did you mean" in one_line(typed("speed", "--benchmark", "tini"))
    assert "--meta-batches" in one_line(typed("speed", "--meta-batches", "2,x"))
    assert "unknown method" in one_line(typed("speed", "--method", "mamml"))
