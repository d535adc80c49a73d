"""Reptile (Nichol, Achiam and Schulman, "On first-order meta-learning algorithms", 2018, arXiv 1803.02999)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.func import grad_and_value

from methods import inner_adam
from methods.contract import INNER_LOOP, MINIBATCHES, Episode, MinibatchEpisode, Params, Setting, State
from methods.maml import Maml

Part = tuple[Tensor, Tensor]  # the images and labels of an inner step


class Reptile(Maml):
    """Reptile: moves the initialisation to where the inner loop ends (Algorithm 2).

    The paper's inner loop takes Adam steps on minibatches of 10 (`inner_optimiser=adam`, `inner_batch=10`), and its
    outer step is an interpolation: `meta_optimiser=sgd` with the rate epsilon, on the gradient phi - phi~. Without
    minibatches, inner steps on the support images and on the query images alternate, `inner_steps` times, because
    Reptile learns from batches that differ (section 5.1). An outer Adam gets (phi - phi~) / alpha. Everything is
    adapted, since parameters that do not move in the inner loop would not be trained."""

    settings: tuple[str, ...] = (*INNER_LOOP, *MINIBATCHES)
    ignores = ("batch_norm_adapted", "batch_statistics")  # no queries after the inner loop

    @property
    def episodes_in_turn(self) -> bool:
        """Whether episodes are processed in order, each continuing with the inner optimiser's state of the previous
        one."""
        return self.setup.training.inner_optimiser == "adam"

    def init(self, generator: torch.Generator) -> State:
        """MAML's parameters; carried: the state of the inner optimiser, if it is kept."""
        params = super().init(generator).params
        return State(params, inner_adam.moments(params, self._beta1) if self.episodes_in_turn else {})

    def loss_and_gradient(self, state: State, batch: Episode | MinibatchEpisode) -> tuple[Tensor, Params, Params]:
        """The loss of support and query, before the inner loop or, with minibatches, averaged along it; and the
        direction from the end of the inner loop to its start, as the gradient."""
        halves = [(batch.support, batch.support_labels), (batch.query, batch.query_labels)]
        if isinstance(batch, MinibatchEpisode):
            everything = tuple(torch.cat(part) for part in zip(*halves, strict=True))
            *_, (end, losses) = self._steps(state, _choose(everything, batch.minibatches))
        else:
            *_, (end, _) = self._steps(state, halves * self.setup.training.inner_steps)
            losses = [self._loss(state.params, *half) for half in halves]
        scale = self.setup.training.inner_lr if self.setup.training.meta_optimiser == "adam" else 1
        gradient = {name: (value - end.params[name]) / scale for name, value in state.params.items()}
        return torch.stack(losses).mean(), gradient, end.carried

    def predict(
        self,
        state: State,
        support: Tensor,
        labels: Tensor,
        query: Tensor,
        setting: Setting,
        minibatches: Tensor | None = None,
    ) -> Tensor:
        """[inner steps + 1, query images, ways]: the query's outputs along the inner loop, or [1, ...]: only at its
        end."""
        evaluation, whole = self.setup.evaluation, (support, labels)
        parts = [whole] * evaluation.inner_steps if minibatches is None else _choose(whole, minibatches)
        outputs = partial(
            self._query_outputs, support=support, query=query, batch_statistics=evaluation.batch_statistics
        )
        scale = self._scale_at_test(evaluation.inner_batch or len(labels))
        along = (at.params for at, _ in self._steps(state, parts, scale))
        if evaluation.scored_steps == "last":
            return outputs(list(along)[-1])[None]
        return torch.stack([outputs(params) for params in along])

    def _steps(self, state: State, parts: Sequence[Part], scale: float = 1) -> Iterator[tuple[State, list[Tensor]]]:
        """The state before an inner loop and after each of its steps, with the losses so far. `scale` multiplies the
        gradients."""
        losses: list[Tensor] = []
        yield state, losses
        for part in parts:
            gradient, loss = grad_and_value(self._loss)(state.params, *part)
            losses.append(loss)
            if scale != 1:
                gradient = {name: scale * value for name, value in gradient.items()}
            state = self._stepped(state, gradient)
            yield state, losses

    def _stepped(self, state: State, gradient: Params) -> State:
        lr = self.setup.training.inner_lr
        if self.episodes_in_turn:
            return State(*inner_adam.step(state.params, gradient, state.carried, lr, self._beta1))
        return State({name: value - lr * gradient[name] for name, value in state.params.items()}, state.carried)

    def _scale_at_test(self, size: int) -> float:
        """What multiplies the gradient of a test minibatch's mean loss, of `size` images. Where losses are summed, as
        in the authors' code, the moments of training are those of sums over its own minibatches. In training the
        factor is the same everywhere, and Adam cancels it."""
        training, summed = self.setup.training, self.setup.evaluation.inner_loss == "sum"
        return size / training.inner_batch if summed else 1

    def _loss(self, params: Params, images: Tensor, labels: Tensor) -> Tensor:
        return self.setup.loss(self.setup.network(params, images), labels)

    @property
    def _beta1(self) -> float:
        found: float = self.setup.training.inner_beta1
        return found


def _choose(part: Sequence[Tensor], minibatches: Tensor) -> list[Part]:
    images, labels = part
    return [(images[places], labels[places]) for places in minibatches]
