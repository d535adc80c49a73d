"""Meta-SGD (Li, Zhou, Chen and Li, "Learning to learn quickly for few-shot learning", 2017, arXiv 1707.09835)."""

from __future__ import annotations

import torch
from torch import Tensor

from methods.contract import Episode, Params, State
from methods.inner_loop import Step, adapted_gradient
from methods.maml import Maml
from methods.stacked import Engine, Inner, back, inner_loop, outer_loss

_RATE = "rate."  # prefix of a parameter's name: the rates of its elements


class MetaSgd(Maml):
    """Meta-SGD: MAML that also learns a learning rate for each element (Algorithm 1). theta' = theta - alpha * grad L
    (equation 3). All start at the protocol's `inner_lr` (the paper draws them from 0.005 to 0.1), so that training
    starts as MAML does."""

    def init(self, generator: torch.Generator) -> State:
        """MAML's parameters, and the rates."""
        params, carried = super().init(generator)
        lr = self.setup.training.inner_lr
        rates = {f"{_RATE}{name}": torch.full_like(params[name], lr) for name in self._adapted(params)}
        return State(params | dict(sorted(rates.items())), carried)

    def stacked_loss_and_gradient(self, engine: Engine, state: State, batch: Episode) -> tuple[Tensor, Params, Params]:
        """`loss_and_gradient` for stacked episodes. If c is the cotangent of theta' = theta - alpha g(theta), then -g c
        is the cotangent of the rates alpha."""
        inner = self._inner(state.params, self.setup.training.inner_steps, keeps=True)
        taken = inner_loop(engine, state.params, batch.support, batch.support_labels, inner)
        loss, gradient = outer_loss(engine, batch, self.setup.training.batch_statistics)(taken[-1].after)
        of_rates = {name: torch.zeros_like(state.params[f"{_RATE}{name}"]) for name in inner.adapted}
        while taken:
            step = taken.pop()
            of_rates = {name: of - step.gradient[name] * gradient[name] for name, of in of_rates.items()}
            gradient = back(engine, step, gradient, inner)
        return loss, gradient | {f"{_RATE}{name}": of for name, of in of_rates.items()}, state.carried

    stacked_predict = Maml.stacked_predict

    def _inner(self, params: Params, steps: int, keeps: bool = False) -> Inner:
        rates = {name: params[f"{_RATE}{name}"] for name in self._adapted(params)}
        return Inner(frozenset(rates), rates, steps, keeps)

    def _step(self, images: Tensor, labels: Tensor) -> Step:
        def loss(params: Params) -> Tensor:
            return self.setup.loss(self.setup.network(params, images), labels)

        def step(params: Params) -> Params:
            gradient = adapted_gradient(loss, params, self._adapted(params))
            return params | {name: params[name] - params[f"{_RATE}{name}"] * g for name, g in gradient.items()}

        return step

    def _adapted(self, params: Params) -> frozenset[str]:
        return frozenset(name for name in super()._adapted(params) if not name.startswith(_RATE))
