"""Model-agnostic meta-learning (Finn, Abbeel and Levine, ICML 2017), exact and first-order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor
from torch.func import grad_and_value

from methods.contract import Episode, Params, Setting, Setup, State
from methods.inner_loop import Loss, Step, gradient_through, inner_step, outputs_along, trajectory
from methods.stacked import Engine, Inner, back, inner_loop, outer_loss, stacked_outputs


class Maml:
    """MAML: learns the initialisation from which a few inner steps do best on the query images (Algorithm 2)."""

    training_batch: str | None = "episodes"
    weights_of: str | None = None
    batch_statistics: tuple[str, ...] = ("batch", "support", "support+query")
    needs: str | None = None

    def __init__(self, setup: Setup) -> None:
        self.setup = setup

    def init(self, generator: torch.Generator) -> State:
        """The network with a head of `ways` outputs."""
        return State(self.setup.network.init(generator, self.setup.ways), {})

    def loss_and_gradient(self, state: State, batch: Episode) -> tuple[Tensor, Params, Params]:
        """The query loss after the last inner step, and its gradient for the parameters before the first."""
        step, outer_loss = self._step(batch.support, batch.support_labels), self._outer_loss(batch)
        return *self._meta_gradient(state.params, step, outer_loss), state.carried

    def stacked_loss_and_gradient(self, engine: Engine, state: State, batch: Episode) -> tuple[Tensor, Params, Params]:
        """`loss_and_gradient` for stacked episodes: the query gradient, propagated back through the inner steps."""
        inner = self._inner(state.params, self.setup.training.inner_steps, keeps=True)
        taken = inner_loop(engine, state.params, batch.support, batch.support_labels, inner)
        loss, gradient = outer_loss(engine, batch, self.setup.training.batch_statistics)(taken[-1].after)
        while taken:
            gradient = back(engine, taken.pop(), gradient, inner)
        return loss, gradient, state.carried

    def candidates(self) -> Sequence[Setting]:
        """A single empty setting: nothing is chosen on validation episodes."""
        return ({},)

    def predict(self, state: State, support: Tensor, labels: Tensor, query: Tensor, setting: Setting) -> Tensor:
        """[inner steps + 1, query images, ways]: the query's outputs along the inner loop."""
        evaluation = self.setup.evaluation
        step, mode = self._step(support, labels), evaluation.batch_statistics
        outputs = partial(self._query_outputs, support=support, query=query, batch_statistics=mode)
        return outputs_along(step, outputs, state.params, evaluation.inner_steps)

    def stacked_predict(
        self, engine: Engine, state: State, support: Tensor, labels: Tensor, query: Tensor, setting: Setting
    ) -> Tensor:
        """`predict` for stacked episodes: [episodes, inner steps + 1, query images, ways]."""
        evaluation, inner = self.setup.evaluation, self._inner(state.params, self.setup.evaluation.inner_steps)
        return stacked_outputs(engine, state.params, support, labels, query, inner, evaluation.batch_statistics)

    def _inner(self, params: Params, steps: int, keeps: bool = False) -> Inner:
        return Inner(self._adapted(params), self.setup.training.inner_lr, steps, keeps)

    def _step(self, images: Tensor, labels: Tensor) -> Step:
        """An inner step on these images."""
        lr = self.setup.training.inner_lr

        def loss(params: Params) -> Tensor:
            return self.setup.loss(self.setup.network(params, images), labels)

        return lambda params: inner_step(loss, params, self._adapted(params), lr)

    def _outer_loss(self, batch: Episode) -> Loss:
        def loss(params: Params) -> Tensor:
            mode = self.setup.training.batch_statistics
            return self.setup.loss(self._query_outputs(params, batch.support, batch.query, mode), batch.query_labels)

        return loss

    def _meta_gradient(self, params: Params, step: Step, outer_loss: Loss) -> tuple[Tensor, Params]:
        return gradient_through(step, outer_loss, params, self.setup.training.inner_steps)

    def _query_outputs(self, params: Params, support: Tensor, query: Tensor, batch_statistics: str) -> Tensor:
        network = self.setup.network
        if batch_statistics == "support+query":  # Nichol et al. 2018, code: `_test_predictions`
            return torch.stack([network(params, torch.cat([support, image[None]]))[-1] for image in query])
        return network(params, query, network.observed(params, support) if batch_statistics == "support" else None)

    def _adapted(self, params: Params) -> frozenset[str]:
        everything = self.setup.training.batch_norm_adapted
        return frozenset(name for name in params if everything or not name.startswith("norm"))


class FirstOrderMaml(Maml):
    """First-order MAML: uses the query gradient at the end of the inner loop as the meta-gradient."""

    def _meta_gradient(self, params: Params, step: Step, outer_loss: Loss) -> tuple[Tensor, Params]:
        gradient, loss = grad_and_value(outer_loss)(trajectory(step, params, self.setup.training.inner_steps)[-1])
        return loss, gradient

    def stacked_loss_and_gradient(self, engine: Engine, state: State, batch: Episode) -> tuple[Tensor, Params, Params]:
        """`loss_and_gradient` for stacked episodes."""
        inner = self._inner(state.params, self.setup.training.inner_steps)
        taken = inner_loop(engine, state.params, batch.support, batch.support_labels, inner)
        return *outer_loss(engine, batch, self.setup.training.batch_statistics)(taken[-1].after), state.carried

    stacked_predict = Maml.stacked_predict
