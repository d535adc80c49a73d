"""The network of the sinusoid experiment, as pure functions of (parameters, inputs)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.networks import initialisation
from bench.networks.layers import product
from bench.protocols.protocol import Training

Params = dict[str, Tensor]


@dataclass(frozen=True)
class Mlp:
    """Two hidden layers of ReLUs, `filters` wide, then a linear head; no batch norm.

    Parameters: `hidden<k>.weight` [filters, inputs], `hidden<k>.bias`, `head.weight` [outputs, filters], `head.bias`.
    """

    inputs: int
    training: Training
    precision: str = "fp32"  # one of `bench.protocols.protocol.PRECISIONS`

    fills_a_cpu = False
    may_stack = False  # there is no engine for this network

    def takes_kernels(self, device: str) -> bool:
        """False: there are no kernels for this network."""
        return False

    def compilation_seconds(self, device: str) -> float:
        """How long it takes to compile meta-step and evaluation, measured on one CPU core."""
        return 80.0

    def saved_by_compiling(self, device: str) -> float:
        """The share of an uncompiled meta-step's time that compiling saves, measured on one CPU core."""
        return 0.9

    def init(self, generator: torch.Generator, outputs: int) -> Params:
        """Initial parameters in float32 on the CPU, drawn from the first layer to the last."""
        width = self.training.filters
        shapes = {"hidden1": (width, self.inputs), "hidden2": (width, width), "head": (outputs, width)}
        params: Params = {}
        for name, shape in shapes.items():
            params |= initialisation.linear(name, torch.empty(shape), generator, self.training.initialisation)
        return params

    def __call__(self, params: Params, inputs: Tensor, statistics: Params | None = None) -> Tensor:
        """Inputs [points, inputs] -> outputs [points, outputs]."""
        hidden = inputs
        for name in ("hidden1", "hidden2"):
            hidden = F.relu(self._linear(name, params, hidden))
        return self._linear("head", params, hidden)

    def _linear(self, name: str, params: Params, inputs: Tensor) -> Tensor:
        return product(self.precision, F.linear, inputs, params[f"{name}.weight"], params[f"{name}.bias"])

    def observed(self, params: Params, inputs: Tensor) -> Params:
        """No statistics, because nothing is normalised."""
        return {}

    def activation_bytes(self, points: int) -> int:
        """The bytes of one copy of the activations of this many points."""
        return 4 * points * 2 * self.training.filters

    def meta_step_seconds(self, support: int, query: int, device: str) -> float:
        """Roughly the seconds of an uncompiled meta-step: the layers are so small that calling the operations takes all
        of the time (two CPU cores)."""
        return 1.3e-3 * (1 + self.training.inner_steps)

    def fastest_layers(self, device: str, compiled: bool, alone: bool, stacks: bool = False) -> str:
        """The only implementation of these layers."""
        return "vectorised"
