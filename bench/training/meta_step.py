"""One iteration of a training, from indices to updated parameters: run directly, or captured as a CUDA graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from bench.training.batches import TrainingBatches
from bench.training.execution import Execution
from methods.contract import Method, State

_WARM_UPS = 3  # calls before a capture, during which libraries choose algorithms and compilers compile


@dataclass
class MetaStep:
    """Updates in place the state of all seeds [seeds, ...], the optimiser's state, and the sum of losses [seeds]."""

    execution: Execution
    method: Method
    batches: TrainingBatches
    state: State
    optimiser: torch.optim.Optimizer
    loss_sum: Tensor
    _graph: torch.cuda.CUDAGraph | None = field(default=None, init=False)
    _input: Any = field(default=None, init=False)

    def __call__(self, drawn: Any) -> None:
        """One iteration on these episodes [seeds, episodes, ...]."""
        if self._graph is None or self._input is None:
            self._run(drawn)
            return
        for fixed, new in zip(self._input, drawn, strict=True):
            fixed.copy_(new)
        self._graph.replay()

    def rehearse(self, drawn: Any) -> None:
        """Compiles and captures where the execution asks for it, and leaves every number as it was.

        Raises whatever a compiler or a driver throws if this mode cannot run here."""
        before = self._copied()
        try:
            if self.execution.compiled or self.execution.graph:
                self._run(drawn)
            if self.execution.graph:
                self._capture(drawn)
        finally:
            self._put_back(before)

    def _run(self, drawn: Any) -> None:
        updates = self.batches.updates(drawn)
        for part in updates:
            loss, gradient, carried = self.execution.loss_and_gradient(
                self.method, self.state, part, self.batches.batch
            )
            self._move(gradient)
            for name, value in carried.items():
                self.state.carried[name].copy_(value)
            self.loss_sum += loss.detach() / len(updates)

    def _move(self, gradient: Mapping[str, Tensor]) -> None:
        clip = self.batches.training.clip
        values: Any = [gradient[name].detach() for name in self.state.params]
        if clip is not None:
            values = torch._foreach_clamp_max(torch._foreach_clamp_min(values, -clip), clip)
        for parameter, value in zip(self.state.params.values(), values, strict=True):
            parameter.grad = value
        self.optimiser.step()

    def _capture(self, drawn: Any) -> None:
        self._input = tree_map(torch.clone, drawn)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_WARM_UPS):
                self._run(self._input)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._run(self._input)
        self._graph = graph

    def _copied(self) -> dict[str, Tensor]:
        return {name: tensor.clone() for name, tensor in self._tensors().items()}

    def _put_back(self, before: Mapping[str, Tensor]) -> None:
        """Restores the copied tensors; those that the optimiser created in its first step are set to zero."""
        for name, tensor in self._tensors().items():
            if name in before:
                tensor.copy_(before[name])
            else:
                tensor.zero_()

    def _tensors(self) -> dict[str, Tensor]:
        """Everything that a step changes."""
        moments = {
            f"adam.{name}.{key}": value
            for name, parameter in self.state.params.items()
            for key, value in self.optimiser.state.get(parameter, {}).items()
        }
        params = {f"params.{name}": tensor for name, tensor in self.state.params.items()}
        carried = {f"carried.{name}": tensor for name, tensor in self.state.carried.items()}
        return moments | params | carried | {"loss_sum": self.loss_sum}
