"""Scores depend on the episodes only, not on the batches in which they are computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.data.images import ImageSet
from bench.episodes.images import ImageEpisodes
from bench.protocols.benchmarks import Benchmark
from bench.protocols.protocol import Protocol
from bench.training import evaluation, execution, initial
from bench.training.execution import COMPILED, Execution
from bench.training.objectives import accuracy
from methods.contract import State
from tests.conftest import build

CPU = torch.device("cpu")


def test_scores_do_not_depend_on_the_evaluation_batch(
    small: Benchmark, noise: ImageSet, tiny_protocol: Protocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = build("maml", small, tiny_protocol)
    source = ImageEpisodes(small, noise, "test", 0, small.episode(3))
    state = initial.initial_state(method, 0)
    whole = evaluation.scores(Execution(CPU, 100), method, state, source, 20, {})
    assert whole.shape == (20, tiny_protocol.evaluation.inner_steps + 1)
    monkeypatch.setattr(evaluation, "BLOCK", 7)
    for chunk in (1, 3):
        np.testing.assert_array_equal(evaluation.scores(Execution(CPU, chunk), method, state, source, 20, {}), whole)
    np.testing.assert_array_equal(evaluation.scores(Execution(CPU, 1), method, state, source, 5, {}), whole[:5])


@pytest.mark.parametrize("chunk", [1, 3])
def test_what_is_compiled_sees_one_shape_and_layout(
    small: Benchmark, noise: ImageSet, tiny_protocol: Protocol, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    """A compiler compiles again for any other, which takes minutes: here a stand-in records what it is given."""
    seen = set()

    def written_down(function: Callable[..., Tensor], compiled: bool) -> Callable[..., Tensor]:
        def called(state: State, *rest: Any) -> Tensor:
            seen.add(tuple((part.shape, part.stride()) for part in rest[:-1]))
            return function(state, *rest)

        return called

    method, source = build("maml", small, tiny_protocol), ImageEpisodes(small, noise, "test", 0, small.episode(3))
    state, how = initial.initial_state(method, 0), Execution(CPU, chunk)
    expected = evaluation.scores(how, method, state, source, 20, {})
    monkeypatch.setattr(execution, "_maybe_compiled", written_down)
    execution._predicted_chunk.cache_clear()
    for count in (1, 20):
        found = evaluation.scores(replace(how, mode=COMPILED), method, state, source, count, {})
        np.testing.assert_array_equal(found, expected[:count])
    execution._predicted_chunk.cache_clear()
    assert len(seen) == 1


def test_accuracy_is_the_share_of_right_queries() -> None:
    outputs = torch.tensor([[[2.0, 1.0], [0.0, 1.0], [3.0, 1.0], [0.0, 9.0]]])
    assert accuracy(outputs, torch.tensor([[0, 0, 0, 1]])).tolist() == [0.75]


def test_what_is_no_number_is_no_prediction() -> None:
    outputs = torch.tensor([[[float("nan"), 1.0], [0.0, 1.0]], [[2.0, 1.0], [0.0, 1.0]]])
    assert accuracy(outputs, torch.tensor([[1, 1], [0, 1]])).isnan().tolist() == [True, False]
