"""Fine-tuning: an ordinary classifier over all training classes, with a fresh head for each test episode.

The baseline of Ravi and Larochelle (ICLR 2017), which Finn et al. (2017, Table 1) quote.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.func import grad_and_value

from methods.contract import FINE_TUNING, ImageBatch, Params, Setting, Setup, State
from methods.inner_loop import inner_step, trajectory

_MOMENTUM = 0.1  # of the running statistics; Torch's default


class Finetune:
    """Trained on images, not on episodes; the harness chooses its learning rate and steps on validation episodes."""

    training_batch = "images"
    weights_of: str | None = None
    batch_statistics: tuple[str, ...] = ("batch", "support", "running")
    needs: str | None = "classes"
    settings: tuple[str, ...] = FINE_TUNING

    def __init__(self, setup: Setup) -> None:
        self.setup = setup

    def init(self, generator: torch.Generator) -> State:
        """A head over all training classes; carried: running statistics, and the head that every episode starts from.

        Both are drawn as convolutions are: the N(0, 1) head of the paper's Omniglot network is meant for a few
        outputs, and a classifier of a thousand classes hardly learns from it."""
        network, setup = self.setup.network, self.setup
        params = network.init(generator, setup.ways)
        params |= network.init_head(generator, setup.training_classes, like="conv")
        head = network.init_head(generator, setup.ways, like="conv")
        fresh = {f"episode.{name}": value for name, value in head.items()}
        blank = torch.zeros(1, *network.input_shape)
        seen = network.observed(params, blank)
        running = {name: torch.full_like(value, float(name.endswith("variance"))) for name, value in seen.items()}
        return State(params, running | fresh)

    def loss_and_gradient(self, state: State, batch: ImageBatch) -> tuple[Tensor, Params, Params]:
        """Cross-entropy over all training classes, and the running statistics one step further."""

        def loss(params: Params) -> tuple[Tensor, Params]:
            seen: Params = {}
            features = self.setup.network.features(params, batch.images, seen=seen)
            return self.setup.loss(self.setup.network.head(params, features), batch.labels), seen

        gradient, (value, seen) = grad_and_value(loss, has_aux=True)(state.params)
        moved = {name: torch.lerp(state.carried[name], now, _MOMENTUM) for name, now in seen.items()}
        return value, gradient, state.carried | moved

    def candidates(self) -> Sequence[Setting]:
        """The learning rates to choose from; the number of steps is read off each one's trajectory."""
        return tuple({"lr": lr} for lr in self.setup.evaluation.finetune_lrs)

    def predict(self, state: State, support: Tensor, labels: Tensor, query: Tensor, setting: Setting) -> Tensor:
        """[steps + 1, query images, ways]: full-batch SGD on the support set from the episodes' common head.

        With running statistics, support and query are both normalised by those."""
        network, evaluation = self.setup.network, self.setup.evaluation
        statistics = self._running(state)

        def support_loss(params: Params) -> Tensor:
            return self.setup.loss(network(params, support, statistics), labels)

        def query_outputs(params: Params) -> Tensor:
            own = network.observed(params, support) if evaluation.batch_statistics == "support" else statistics
            return network(params, query, own)

        params = state.params | {name: state.carried[f"episode.{name}"] for name in ("head.weight", "head.bias")}
        adapted = [name for name in params if evaluation.adapt == "all" or name.startswith("head")]

        def step(params: Params) -> Params:
            return inner_step(support_loss, params, adapted, setting["lr"])

        return torch.stack([query_outputs(p) for p in trajectory(step, params, evaluation.finetune_steps)])

    def _running(self, state: State) -> Params | None:
        return state.carried if self.setup.evaluation.batch_statistics == "running" else None
