"""The loss that a benchmark is trained with, and the score it is evaluated with."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.protocols.benchmarks import Benchmark
from bench.protocols.measures import ACCURACY, SQUARED_ERROR


def cross_entropy(outputs: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of outputs [images, classes] and labels [images]."""
    return F.cross_entropy(outputs, labels)


def accuracy(outputs: Tensor, labels: Tensor) -> Tensor:
    """The share of images whose largest output is the label's: [..., images, classes], [..., images] -> [...]. NaN if
    any output is NaN: that is no wrong prediction but none at all, and must be visible."""
    score = (outputs.argmax(-1) == labels).double().mean(-1)
    return score.where(~outputs.isnan().any(-1).any(-1), torch.nan)


def squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error of outputs [points, 1] and targets [points, 1]."""
    return F.mse_loss(outputs, targets)


def mean_squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """The mean squared error of each episode: [..., points, 1], [..., points, 1] -> [...]."""
    return (outputs.double() - targets.double()).square().mean((-2, -1))


class Objective(NamedTuple):
    """`loss`: (outputs, labels) -> scalar mean; `score`: (outputs, labels) -> float64, one per leading dimension."""

    loss: Callable[[Tensor, Tensor], Tensor]
    score: Callable[[Tensor, Tensor], Tensor]


_OBJECTIVES = {
    ACCURACY.name: Objective(cross_entropy, accuracy),
    SQUARED_ERROR.name: Objective(squared_error, mean_squared_error),
}


def objective(benchmark: Benchmark) -> Objective:
    """The loss and the score of a benchmark."""
    return _OBJECTIVES[benchmark.measure.name]
