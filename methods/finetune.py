"""Fine-tuning: an ordinary classifier over all training classes, with a fresh head for each test episode.

The baseline of Ravi and Larochelle (ICLR 2017), which Finn et al. (2017, Table 1) quote.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor
from torch.func import grad_and_value

from methods.batch_norm import features_of, fresh_statistics, moved
from methods.contract import FINE_TUNING, ImageBatch, Params, Setting, Setup, State
from methods.inner_loop import Loss, Outputs, inner_step, outputs_along
from methods.stacked import Engine, Inner, stacked_outputs

Parts = tuple[Loss, Outputs, Collection[str]]  # support loss, query outputs, what is adapted


class Finetune:
    """Trained on images, not on episodes; the harness chooses its learning rate and steps on validation episodes."""

    training_batch: str | None = "images"
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
        return State(params, fresh_statistics(network, params) | fresh)

    def loss_and_gradient(self, state: State, batch: ImageBatch) -> tuple[Tensor, Params, Params]:
        """Cross-entropy over all training classes, and the running statistics one step further."""

        def loss(params: Params) -> tuple[Tensor, Params]:
            seen: Params = {}
            features = self.setup.network.features(params, batch.images, seen=seen)
            return self.setup.loss(self.setup.network.head(params, features), batch.labels), seen

        gradient, (value, seen) = grad_and_value(loss, has_aux=True)(state.params)
        return value, gradient, moved(state.carried, seen)

    def stacked_loss_and_gradient(
        self, engine: Engine, state: State, batch: ImageBatch
    ) -> tuple[Tensor, Params, Params]:
        """`loss_and_gradient` of stacked batches."""
        images = engine.data(batch.images, once=True)
        value, gradient, step = engine.gradient(state.params, images, batch.labels)
        return value, gradient, moved(state.carried, step.statistics)

    def candidates(self) -> Sequence[Setting]:
        """The learning rates to choose from, and, where that is chosen too, whether the head alone is fine-tuned or the
        whole network; the number of steps is read off each one's trajectory."""
        lrs, adapt = self.setup.evaluation.finetune_lrs, self.setup.evaluation.adapt
        if adapt == "chosen":
            return tuple({"adapt": what, "lr": lr} for what in ("head", "all") for lr in lrs)
        return tuple({"lr": lr} for lr in lrs)

    def predict(self, state: State, support: Tensor, labels: Tensor, query: Tensor, setting: Setting) -> Tensor:
        """[steps + 1, query images, ways]: full-batch SGD on the support set from the episodes' common head.

        With running statistics, support and query are both normalised by those."""
        params, head_alone = self._fresh(state), self._head_alone(setting)
        parts = self._of_head if head_alone else self._of_whole_network
        support_loss, query_outputs, adapted = parts(params, self._running(state), support, labels, query)

        def step(params: Params) -> Params:
            return inner_step(support_loss, params, adapted, setting["lr"])

        return outputs_along(step, query_outputs, params, self._steps(head_alone))

    def _of_whole_network(
        self, params: Params, running: Params | None, support: Tensor, labels: Tensor, query: Tensor
    ) -> Parts:
        network, mode = self.setup.network, self.setup.evaluation.batch_statistics

        def support_loss(params: Params) -> Tensor:
            return self.setup.loss(network(params, support, running), labels)

        def query_outputs(params: Params) -> Tensor:
            return network(params, query, network.observed(params, support) if mode == "support" else running)

        return support_loss, query_outputs, params.keys()

    def _of_head(self, params: Params, running: Params | None, support: Tensor, labels: Tensor, query: Tensor) -> Parts:
        """The features stay as they are, and so are computed once."""
        network, mode = self.setup.network, self.setup.evaluation.batch_statistics
        anchors, queries, _ = features_of(network, params, support, query, mode, running)
        adapted = [name for name in params if name.startswith("head")]
        loss = self.setup.loss
        return lambda p: loss(network.head(p, anchors), labels), lambda p: network.head(p, queries), adapted

    def stacked_predict(
        self, engine: Engine, state: State, support: Tensor, labels: Tensor, query: Tensor, setting: Setting
    ) -> Tensor:
        """`predict` of stacked episodes, [episodes, steps + 1, query images, ways], but not with running statistics."""
        params, head_alone = self._fresh(state), self._head_alone(setting)
        adapted = [name for name in params if name.startswith("head") or not head_alone]
        inner, mode = Inner(adapted, setting["lr"], self._steps(head_alone)), self.setup.evaluation.batch_statistics
        return stacked_outputs(engine, params, support, labels, query, inner, mode)

    def _fresh(self, state: State) -> Params:
        """What an episode starts from."""
        return state.params | {name: state.carried[f"episode.{name}"] for name in ("head.weight", "head.bias")}

    def _head_alone(self, setting: Setting) -> bool:
        return setting.get("adapt", self.setup.evaluation.adapt) == "head"

    def _steps(self, head_alone: bool) -> int:
        evaluation = self.setup.evaluation
        of_head = evaluation.finetune_head_steps if head_alone else None
        return evaluation.finetune_steps if of_head is None else of_head

    def _running(self, state: State) -> Params | None:
        return state.carried if self.setup.evaluation.batch_statistics == "running" else None
