"""MAML with a multi-step loss, from MAML++ (Antoniou, Edwards and Storkey, "How to train your MAML", ICLR 2019)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.func import grad_and_value

from methods.contract import Episode, Params, State
from methods.inner_loop import Loss, Step, step_back, trajectory
from methods.maml import Maml
from methods.stacked import Engine, back, inner_loop, outer_loss, weighted

_ANNEALED = 0.1  # of the training, the share in which the weights go over to the last step
_FLOOR = 0.03  # of their first value, what the other steps keep (theirs: get_per_step_loss_importance_vector)


class MultiStepLoss(Maml):
    """MAML++'s multi-step loss: the query loss after every inner step counts. L = sum over i of v_i L(theta_i) (section
    4, "multi-step loss optimisation", equation 4). All v_i begin alike; those of the earlier steps fall to nearly
    nothing, as in the authors' code, over the first tenth of the training. Nothing else of MAML++ is here."""

    uses_length = True

    def init(self, generator: torch.Generator) -> State:
        """As MAML's; the updates made so far are carried, for the weights follow them."""
        return State(super().init(generator).params, {"updates": torch.zeros(())})

    def loss_and_gradient(self, state: State, batch: Episode) -> tuple[Tensor, Params, Params]:
        """The weighted query losses, and their gradient for the parameters before the first inner step."""
        step, outer_loss = self._step(batch.support, batch.support_labels), self._outer_loss(batch)
        made = state.carried["updates"]
        return *gradient_of_all(step, outer_loss, state.params, self._weights(made)), {"updates": made + 1}

    def stacked_loss_and_gradient(self, engine: Engine, state: State, batch: Episode) -> tuple[Tensor, Params, Params]:
        """`loss_and_gradient` of stacked episodes: each step's query gradient joins on the way back."""
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
        """v_i after so many updates, a scalar each; they sum to 1."""
        training = self.setup.training
        steps = training.inner_steps
        a_run = training.iterations * (training.meta_batch if training.meta_update == "episode" else 1)
        earlier = (1 - made / (_ANNEALED * a_run)).clamp(min=_FLOOR) / steps
        return [earlier] * (steps - 1) + [1 - (steps - 1) * earlier]


def gradient_of_all(step: Step, outer_loss: Loss, params: Params, weights: list[Tensor]) -> tuple[Tensor, Params]:
    """The sum of the outer losses after each inner step, weighted, and its exact gradient for the parameters before
    the first: each loss joins on the way back, whose memory does not grow with the number of steps."""
    *before, last = trajectory(step, params, len(weights))
    gradient, value = grad_and_value(lambda p: weights[-1] * outer_loss(p))(last)
    for k, visited in reversed(list(enumerate(before))):
        gradient = step_back(step, visited, gradient)
        if k:
            own, loss = grad_and_value(lambda p, k=k: weights[k - 1] * outer_loss(p))(visited)
            gradient, value = {name: own[name] + through for name, through in gradient.items()}, value + loss
    return value, gradient
