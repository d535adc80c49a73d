"""Prototypical networks (Snell, Swersky and Zemel, "Prototypical networks for few-shot learning", NIPS 2017)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.func import grad_and_value

from methods.contract import Episode, Params, Setting, Setup, State


class ProtoNet:
    """Outputs are the negative squared distances to the mean features of each class (equations 1 and 2).

    The paper trains on episodes of more ways than it tests on; here the setting `ways` says on how many."""

    training_batch: str | None = "episodes"
    weights_of: str | None = None
    batch_statistics: tuple[str, ...] = ("batch", "support")
    needs: str | None = "classes"
    settings = ()

    def __init__(self, setup: Setup) -> None:
        self.setup = setup

    def init(self, generator: torch.Generator) -> State:
        """The network without its head."""
        params = self.setup.network.init(generator, self.setup.ways)
        return State({name: value for name, value in params.items() if not name.startswith("head")}, {})

    def loss_and_gradient(self, state: State, batch: Episode) -> tuple[Tensor, Params, Params]:
        """The query loss (Algorithm 1) and its gradient."""

        def loss(params: Params) -> Tensor:
            mode = self.setup.training.batch_statistics
            outputs = self._outputs(params, batch.support, batch.support_labels, batch.query, mode)
            return self.setup.loss(outputs, batch.query_labels)

        gradient, value = grad_and_value(loss)(state.params)
        return value, gradient, state.carried

    def candidates(self) -> Sequence[Setting]:
        """Nothing is chosen on validation episodes."""
        return ({},)

    def predict(self, state: State, support: Tensor, labels: Tensor, query: Tensor, setting: Setting) -> Tensor:
        """[1, query images, ways]: nothing is adapted."""
        return self._outputs(state.params, support, labels, query, self.setup.evaluation.batch_statistics)[None]

    def _outputs(self, params: Params, support: Tensor, labels: Tensor, query: Tensor, mode: str) -> Tensor:
        seen: Params = {}
        features = self.setup.network.features(params, support, seen=seen)
        queries = self.setup.network.features(params, query, seen if mode == "support" else None)
        of_class = (labels == torch.arange(self.setup.ways, device=labels.device)[:, None]).to(features.dtype)
        prototypes = of_class @ features / of_class.sum(1, keepdim=True)  # [ways, features]
        return -(queries[:, None] - prototypes).square().sum(2)
