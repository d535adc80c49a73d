"""Model-agnostic meta-learning (Finn, Abbeel and Levine, ICML 2017), exact and first-order."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.func import grad_and_value

from methods.contract import Episode, Params, Setting, Setup, State
from methods.inner_loop import gradient_through, trajectory


class Maml:
    """Algorithm 2: the initialisation from which a few inner steps do best on the query images."""

    training_batch = "episodes"
    weights_of = None
    batch_statistics = ("batch", "support")
    needs = None
    second_order = True

    def __init__(self, setup: Setup) -> None:
        self.setup = setup

    def init(self, generator: torch.Generator) -> State:
        """The network with a head of `ways` outputs."""
        return State(self.setup.network.init(generator, self.setup.ways), {})

    def loss_and_gradient(self, state: State, batch: Episode) -> tuple[Tensor, Params, Params]:
        """The query loss after the last inner step, and its gradient for the parameters before the first."""
        training = self.setup.training

        def inner_loss(params: Params) -> Tensor:
            return self.setup.loss(self.setup.network(params, batch.support), batch.support_labels)

        def outer_loss(params: Params) -> Tensor:
            outputs = self._query_outputs(params, batch.support, batch.query, training.batch_statistics)
            return self.setup.loss(outputs, batch.query_labels)

        adapted = self._adapted(state.params)
        loop = (state.params, adapted, training.inner_lr, training.inner_steps)
        if self.second_order:
            loss, gradient = gradient_through(inner_loss, outer_loss, *loop)
        else:
            gradient, loss = grad_and_value(outer_loss)(trajectory(inner_loss, *loop)[-1])
        return loss, gradient, state.carried

    def candidates(self) -> Sequence[Setting]:
        """Nothing is chosen on validation episodes."""
        return ({},)

    def predict(self, state: State, support: Tensor, labels: Tensor, query: Tensor, setting: Setting) -> Tensor:
        """[inner steps + 1, query images, ways]: the query's outputs along the inner loop."""
        evaluation = self.setup.evaluation

        def inner_loss(params: Params) -> Tensor:
            return self.setup.loss(self.setup.network(params, support), labels)

        adapted = self._adapted(state.params)
        visited = trajectory(inner_loss, state.params, adapted, self.setup.training.inner_lr, evaluation.inner_steps)
        return torch.stack([self._query_outputs(p, support, query, evaluation.batch_statistics) for p in visited])

    def _query_outputs(self, params: Params, support: Tensor, query: Tensor, batch_statistics: str) -> Tensor:
        statistics = self.setup.network.observed(params, support) if batch_statistics == "support" else None
        return self.setup.network(params, query, statistics)

    def _adapted(self, params: Params) -> frozenset[str]:
        everything = self.setup.training.batch_norm_adapted
        return frozenset(name for name in params if everything or not name.startswith("norm"))


class FirstOrderMaml(Maml):
    """The same without the second derivatives: the query gradient is applied where the inner loop ended."""

    second_order = False
