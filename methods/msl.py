"""MAML with a multi-step loss, from MAML++ (Antoniou, Edwards and Storkey, "How to train your MAML", ICLR 2019)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from methods.contract import INNER_LOOP, MULTI_STEP, Episode, Params, State
from methods.maml import Maml
from methods.multi_step import gradient_of_all, step_weights
from methods.stacked import Engine, back, inner_loop, outer_loss, weighted


class MultiStepLoss(Maml):
    """MAML++'s multi-step loss: the query loss after every inner step counts. L = sum over i of v_i L(theta_i) (section
    4, "multi-step loss optimisation", equation 4). All v_i start equal. As in the authors' code, those of the earlier
    steps fall during `multi_step_epochs` and are zero afterwards; without that setting they fall over the first tenth
    of the training to nearly zero. Nothing else of MAML++ is included."""

    settings: tuple[str, ...] = (*INNER_LOOP, *MULTI_STEP)
    uses_length = True

    def init(self, generator: torch.Generator) -> State:
        """MAML's parameters; the number of updates so far is carried, because the weights depend on it."""
        return State(super().init(generator).params, {"updates": torch.zeros(())})

    def loss_and_gradient(self, state: State, batch: Episode) -> tuple[Tensor, Params, Params]:
        """The weighted sum of the query losses, and its gradient for the parameters before the first inner step."""
        made = state.carried["updates"]
        count = self.setup.training.inner_steps
        step, loss = self._step(batch.support, batch.support_labels), self._outer_loss(batch)
        found = gradient_of_all([step] * count, [loss] * count, state.params, self._weights(made))
        return *found, {"updates": made + 1}

    def stacked_loss_and_gradient(self, engine: Engine, state: State, batch: Episode) -> tuple[Tensor, Params, Params]:
        """`loss_and_gradient` for stacked episodes: each step's query gradient is added during the backward pass."""
        inner = self._inner(state.params, self.setup.training.inner_steps, keeps=True)
        taken = inner_loop(engine, state.params, batch.support, batch.support_labels, inner)
        weights, made = self._weights(state.carried["updates"]), state.carried["updates"] + 1
        loss_at = outer_loss(engine, batch, self.setup.training.batch_statistics, once=False)
        value: Any = 0
        gradient: dict[str, Any] = dict.fromkeys(state.params, 0)
        while taken:
            weight, (loss, own) = weights[len(taken) - 1], loss_at(taken[-1].after)
            value = value + weight * loss
            gradient = {name: gradient[name] + of for name, of in weighted(weight, own).items()}
            gradient = back(engine, taken.pop(), gradient, inner)
        return value, gradient, {"updates": made}

    stacked_predict = Maml.stacked_predict

    def _weights(self, made: Tensor) -> list[Tensor]:
        return step_weights(self.setup.training, made)
