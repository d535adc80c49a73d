"""Reptile (Nichol, Achiam and Schulman, "On first-order meta-learning algorithms", 2018, arXiv 1803.02999)."""

from __future__ import annotations

import torch
from torch import Tensor

from methods.contract import Episode, Params, State
from methods.maml import Maml


class Reptile(Maml):
    """Reptile: moves the initialisation to where the inner loop ends (Algorithm 2). The move is taken as the gradient,
    (phi - phi~) / alpha, "plugged into Adam".

    An inner step on the support images and one on the query images take turns, `inner_steps` times: what Reptile
    learns it learns from minibatches that differ (section 5.1). Everything is adapted, for what does not move in the
    inner loop is not trained. The paper's inner loop is Adam's on minibatches of 10; here it is gradient descent, as
    for the other methods."""

    def loss_and_gradient(self, state: State, batch: Episode) -> tuple[Tensor, Params, Params]:
        """The loss of support and query before the inner loop, and the direction away from where that ends."""
        training, loss = self.setup.training, self.setup.loss
        on_support, on_query = (self._step(*part) for part in (batch[:2], batch[2:]))
        params = state.params
        for _ in range(training.inner_steps):
            params = on_query(on_support(params))
        gradient = {name: (value - params[name]) / training.inner_lr for name, value in state.params.items()}
        parts = [loss(self.setup.network(state.params, images), labels) for images, labels in (batch[:2], batch[2:])]
        return torch.stack(parts).mean(), gradient, state.carried

    def _adapted(self, params: Params) -> frozenset[str]:
        return frozenset(params)
