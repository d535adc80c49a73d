"""Scores: of episodes, whatever the batch they were computed in."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bench import batches, evaluate, job
from bench.benchmarks import Benchmark
from bench.data.images import ImageSet
from bench.execution import Execution
from bench.objectives import accuracy
from bench.protocol import Protocol
from tests.conftest import build

CPU = torch.device("cpu")


def test_scores_do_not_depend_on_the_evaluation_batch(
    small: Benchmark, noise: ImageSet, tiny_protocol: Protocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = build("maml", small, tiny_protocol)
    source = batches.source(small, noise, "test", 0, 3, CPU)
    state = job.initial_state(method, 0)
    whole = evaluate.scores(Execution(CPU, 100), method, state, source, 20, {})
    assert whole.shape == (20, tiny_protocol.evaluation.inner_steps + 1)
    monkeypatch.setattr(evaluate, "BLOCK", 7)
    for chunk in (1, 3):
        np.testing.assert_array_equal(evaluate.scores(Execution(CPU, chunk), method, state, source, 20, {}), whole)
    np.testing.assert_array_equal(evaluate.scores(Execution(CPU, 1), method, state, source, 5, {}), whole[:5])


def test_accuracy_is_the_share_of_right_queries() -> None:
    outputs = torch.tensor([[[2.0, 1.0], [0.0, 1.0], [3.0, 1.0], [0.0, 9.0]]])
    assert accuracy(outputs, torch.tensor([[0, 0, 0, 1]])).tolist() == [0.75]


def test_what_is_no_number_is_no_prediction() -> None:
    outputs = torch.tensor([[[float("nan"), 1.0], [0.0, 1.0]], [[2.0, 1.0], [0.0, 1.0]]])
    assert accuracy(outputs, torch.tensor([[1, 1], [0, 1]])).isnan().tolist() == [True, False]
