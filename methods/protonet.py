"""Prototypical networks (Snell, Swersky and Zemel, "Prototypical networks for few-shot learning", NIPS 2017)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.func import grad_and_value

from methods.batch_norm import Features, features_of, fresh_statistics, moved
from methods.contract import Episode, Params, Setting, Setup, State


class ProtoNet:
    """Prototypical networks: the nearest class mean in feature space (equations 1 and 2).

    The paper trains on episodes with more ways than at test (setting `ways`), with support and queries in one batch
    (`batch_statistics=episode`), and tests with running statistics: the preset `snell`."""

    training_batch: str | None = "episodes"
    weights_of: str | None = None
    batch_statistics: tuple[str, ...] = ("batch", "support", "episode", "running")
    training_statistics: tuple[str, ...] = ("batch", "support", "episode")
    needs: str | None = "classes"
    settings = ()
    ignores = ("batch_norm_adapted",)

    def __init__(self, setup: Setup) -> None:
        self.setup = setup

    def init(self, generator: torch.Generator) -> State:
        """The network without its head; carried: running statistics."""
        network = self.setup.network
        params = network.init(generator, self.setup.ways)
        params = {name: value for name, value in params.items() if not name.startswith("head")}
        return State(params, fresh_statistics(network, params))

    def loss_and_gradient(self, state: State, batch: Episode) -> tuple[Tensor, Params, Params]:
        """The query loss (Algorithm 1), its gradient, and the updated running statistics."""
        network, mode = self.setup.network, self.setup.training.batch_statistics

        def loss(params: Params) -> tuple[Tensor, Params]:
            features = features_of(network, params, batch.support, batch.query, mode)
            return self.setup.loss(self._outputs(features, batch.support_labels), batch.query_labels), features.seen

        gradient, (value, seen) = grad_and_value(loss, has_aux=True)(state.params)
        return value, gradient, moved(state.carried, seen)

    def candidates(self) -> Sequence[Setting]:
        """A single empty setting: nothing is chosen on validation episodes."""
        return ({},)

    def predict(self, state: State, support: Tensor, labels: Tensor, query: Tensor, setting: Setting) -> Tensor:
        """[1, query images, ways]: nothing is adapted."""
        network, mode = self.setup.network, self.setup.evaluation.batch_statistics
        return self._outputs(features_of(network, state.params, support, query, mode, state.carried), labels)[None]

    def _outputs(self, features: Features, labels: Tensor) -> Tensor:
        of_class = (labels == torch.arange(self.setup.ways, device=labels.device)[:, None]).to(features.support.dtype)
        prototypes = of_class @ features.support / of_class.sum(1, keepdim=True)  # [ways, features]
        return -(features.query[:, None] - prototypes).square().sum(2)
