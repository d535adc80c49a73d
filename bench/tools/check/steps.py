"""A meta-step of a method on the toy data, and a comparison of two results."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from bench.tools.check.toy_data import CPU, Subject
from bench.training.execution import Execution
from methods.contract import State


def meta_step(subject: Subject, numbers: list[int], chunk: int, layers: str = "vectorised") -> tuple[Tensor, Any, Any]:
    """Loss, gradient and carried state of these seeds [seeds, ...], by the same code that trains."""
    states = [subject.state(number) for number in numbers]
    stacked = State(*({name: torch.stack([part[name] for part in parts]) for name in parts[0]}
                      for parts in zip(*states, strict=True)))  # fmt: skip
    batches = subject.batches(max(numbers) + 1)
    batch = tree_map(lambda tensor: tensor[numbers], batches.batch(batches.at(0)))
    return Execution(CPU, chunk, layers=layers).loss_and_gradient(subject.build(layers=layers), stacked, batch)


def agree(one: Any, other: Any) -> bool:
    """Whether tensors, or trees of tensors, are equal up to rounding."""
    try:
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
    except AssertionError:
        return False
    return True
