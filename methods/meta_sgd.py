"""Meta-SGD (Li, Zhou, Chen and Li, "Learning to learn quickly for few-shot learning", 2017, arXiv 1707.09835)."""

from __future__ import annotations

import torch
from torch import Tensor

from methods.contract import Params, State
from methods.inner_loop import Step, adapted_gradient
from methods.maml import Maml

_RATE = "rate."  # before a parameter's name: the rates of its elements


class MetaSgd(Maml):
    """Algorithm 1: beside the initialisation, a rate for each element is learned. theta' = theta - alpha * grad L
    (equation 3). All begin at the protocol's `inner_lr` (the paper draws them from 0.005 to 0.1), so that training
    begins where MAML's does."""

    def init(self, generator: torch.Generator) -> State:
        """The network as MAML's, and the rates."""
        params, carried = super().init(generator)
        lr = self.setup.training.inner_lr
        rates = {f"{_RATE}{name}": torch.full_like(params[name], lr) for name in self._adapted(params)}
        return State(params | dict(sorted(rates.items())), carried)

    def _step(self, images: Tensor, labels: Tensor) -> Step:
        def loss(params: Params) -> Tensor:
            return self.setup.loss(self.setup.network(params, images), labels)

        def step(params: Params) -> Params:
            gradient = adapted_gradient(loss, params, self._adapted(params))
            return params | {name: params[name] - params[f"{_RATE}{name}"] * g for name, g in gradient.items()}

        return step

    def _adapted(self, params: Params) -> frozenset[str]:
        return frozenset(name for name in super()._adapted(params) if not name.startswith(_RATE))
