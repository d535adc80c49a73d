"""The two baselines of the sinusoid experiment (Finn et al. 2017, section 5.1): one network for all functions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.func import grad_and_value

from methods.contract import Episode, Params, Setting, Setup, State
from methods.inner_loop import inner_step, outputs_along


class Pretrained:
    """Pre-training: on the points of all functions together, then fine-tuned with a tuned step size."""

    training_batch: str | None = "episodes"
    weights_of: str | None = None
    batch_statistics: tuple[str, ...] = ("batch", "support")
    needs: str | None = "functions"
    settings = ("finetune_steps", "finetune_lrs", "finetune_episodes")  # plain steps of the whole network
    ignores = ("batch_norm_adapted", "batch_statistics")

    def __init__(self, setup: Setup) -> None:
        self.setup = setup

    def init(self, generator: torch.Generator) -> State:
        """The network with one output."""
        return State(self.setup.network.init(generator, self.setup.ways), {})

    def loss_and_gradient(self, state: State, batch: Episode) -> tuple[Tensor, Params, Params]:
        """The loss on the support points, before any adaptation: the authors' `pretrain_op`."""
        gradient, loss = grad_and_value(lambda params: self._loss(params, batch.support, batch.support_labels))(
            state.params
        )
        return loss, gradient, state.carried

    def candidates(self) -> Sequence[Setting]:
        """The step sizes to choose from; the number of steps is chosen from the scores along each trajectory."""
        return tuple({"lr": lr} for lr in self.setup.evaluation.finetune_lrs)

    def predict(self, state: State, support: Tensor, labels: Tensor, query: Tensor, setting: Setting) -> Tensor:
        """[steps + 1, query points, 1]: the query's outputs along the fine-tuning."""

        def step(params: Params) -> Params:
            return inner_step(lambda params: self._loss(params, support, labels), params, params.keys(), setting["lr"])

        steps = self.setup.evaluation.finetune_steps
        return outputs_along(step, lambda params: self.setup.network(params, query), state.params, steps)

    def _loss(self, params: Params, inputs: Tensor, targets: Tensor) -> Tensor:
        return self.setup.loss(self.setup.network(params, inputs), targets)


class Oracle(Pretrained):
    """Oracle: pre-training with each function's amplitude and phase as further inputs."""

    needs: str | None = "parameters"
