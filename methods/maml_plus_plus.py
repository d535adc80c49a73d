"""MAML++ with one set of weights (Antoniou, Edwards and Storkey, "How to train your MAML", ICLR 2019)."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from methods.contract import INNER_LOOP, MULTI_STEP, Episode, Params, Setting, State
from methods.inner_loop import Loss, Step, adapted_gradient
from methods.maml import Maml
from methods.multi_step import gradient_of_all, step_weights

_NORM, _RATE = "norm", "rate."  # prefixes of parameter names


class MamlPlusPlus(Maml):
    """MAML++: besides the multi-step loss, each inner step has its own learned rates, one for each tensor (section 4,
    "learned per-layer per-step rates"; all start at `inner_lr`), and its own gamma and beta, which are not adapted.
    Queries after a step are normalised with that step's gamma and beta (authors' code: `net_forward`). Batch norm uses
    the statistics of the current batch: the code collects running ones, but does not use them. The paper's test
    averages the models of several epochs; this is one model."""

    settings: tuple[str, ...] = (*INNER_LOOP, *MULTI_STEP)
    ignores = ("batch_norm_adapted",)
    uses_length = True

    def init(self, generator: torch.Generator) -> State:
        """MAML's parameters with gamma and beta [steps, filters], and the rates [steps] of the adapted parameters."""
        params = super().init(generator).params
        steps, lr = self.setup.training.inner_steps, self.setup.training.inner_lr
        rates = {f"{_RATE}{name}": torch.full((steps,), lr) for name in sorted(self._adapted(params))}
        norms = {name: value.repeat(steps, 1) for name, value in params.items() if name.startswith(_NORM)}
        return State(params | norms | rates, {"updates": torch.zeros(())})

    def loss_and_gradient(self, state: State, batch: Episode) -> tuple[Tensor, Params, Params]:
        """The weighted sum of the query losses, and its gradient for everything that is learned."""
        made, count = state.carried["updates"], self.setup.training.inner_steps
        steps = [self._step_at(k, batch.support, batch.support_labels) for k in range(count)]
        losses = [self._outer_loss_at(k, batch) for k in range(count)]
        weights = step_weights(self.setup.training, made)
        return *gradient_of_all(steps, losses, state.params, weights), {"updates": made + 1}

    def predict(self, state: State, support: Tensor, labels: Tensor, query: Tensor, setting: Setting) -> Tensor:
        """[inner steps + 1, query images, ways]: the query's outputs along the inner loop."""
        evaluation, params = self.setup.evaluation, state.params
        outputs = partial(
            self._query_outputs, support=support, query=query, batch_statistics=evaluation.batch_statistics
        )
        found = [outputs(self._at(0, params))]
        for k in range(evaluation.inner_steps):
            params = self._step_at(k, support, labels)(params)
            found.append(outputs(self._at(k, params)))
        return torch.stack(found)

    def _at(self, k: int, params: Params) -> Params:
        """The network of a step; for steps beyond those in training, the last one's."""
        place = min(k, self.setup.training.inner_steps - 1)
        return {name: value[place] if name.startswith(_NORM) else value for name, value in params.items()}

    def _step_at(self, k: int, images: Tensor, labels: Tensor) -> Step:
        place = min(k, self.setup.training.inner_steps - 1)

        def loss(params: Params) -> Tensor:
            return self.setup.loss(self.setup.network(self._at(k, params), images), labels)

        def step(params: Params) -> Params:
            gradient = adapted_gradient(loss, params, self._adapted(params))
            return params | {name: params[name] - params[f"{_RATE}{name}"][place] * g for name, g in gradient.items()}

        return step

    def _outer_loss_at(self, k: int, batch: Episode) -> Loss:
        outer_loss = self._outer_loss(batch)
        return lambda params: outer_loss(self._at(k, params))

    def _adapted(self, params: Params) -> frozenset[str]:
        return frozenset(name for name in params if not name.startswith((_NORM, _RATE)))
