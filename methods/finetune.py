"""Fine-tuning: an ordinary classifier over all training classes, with a new head for each test episode.

The baseline of Ravi and Larochelle (ICLR 2017), which Finn et al. (2017, Table 1) quote."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.func import grad_and_value

from methods.batch_norm import features_of, fresh_statistics, moved
from methods.contract import FINE_TUNING, ImageBatch, Params, Setting, Setup, State
from methods.inner_loop import BatchLoss, Images, Outputs, descended, minibatches
from methods.stacked import Engine, Inner, stacked_outputs

Parts = tuple[BatchLoss, Outputs, Collection[str]]  # support loss, query outputs, what is adapted
_EPISODE = "episode."  # prefix of tensors that every episode starts from


class Finetune:
    """Fine-tune baseline: trained on images as a classifier, then fine-tuned on each episode; the harness chooses its
    learning rate and steps on validation episodes."""

    training_batch: str | None = "images"
    weights_of: str | None = None
    batch_statistics: tuple[str, ...] = ("batch", "support", "running")
    needs: str | None = "classes"
    settings: tuple[str, ...] = FINE_TUNING
    ignores = ("batch_norm_adapted", "batch_statistics")  # it learns from batches of images, without an inner loop

    def __init__(self, setup: Setup) -> None:
        self.setup = setup

    def init(self, generator: torch.Generator) -> State:
        """A head over all training classes; carried: running statistics, and the initial head of every episode."""
        network, setup = self.setup.network, self.setup
        params = network.init(generator, setup.ways)
        params = {name: value for name, value in params.items() if not name.startswith("head")}
        params |= self._fresh_head(generator, setup.training_classes)
        fresh = {f"{_EPISODE}{name}": value for name, value in self._fresh_head(generator, setup.ways).items()}
        return State(params, fresh_statistics(network, params) | fresh)

    def loss_and_gradient(self, state: State, batch: ImageBatch) -> tuple[Tensor, Params, Params]:
        """Cross-entropy over all training classes, its gradient, and the updated running statistics."""

        def loss(params: Params) -> tuple[Tensor, Params]:
            seen: Params = {}
            features = self.setup.network.features(params, batch.images, seen=seen)
            return self.setup.loss(self._training_outputs(params, features), batch.labels), seen

        gradient, (value, seen) = grad_and_value(loss, has_aux=True)(state.params)
        return value, gradient, moved(state.carried, seen)

    def stacked_loss_and_gradient(
        self, engine: Engine, state: State, batch: ImageBatch
    ) -> tuple[Tensor, Params, Params]:
        """`loss_and_gradient` for stacked batches."""
        images = engine.data(batch.images, once=True)
        value, gradient, step = engine.gradient(state.params, images, batch.labels)
        return value, gradient, moved(state.carried, step.statistics)

    def candidates(self) -> Sequence[Setting]:
        """The learning rates to choose from, and, if the protocol has it chosen, whether to fine-tune the head alone or
        the whole network; the number of steps is chosen from the scores along each trajectory."""
        lrs, adapt = self.setup.evaluation.finetune_lrs, self.setup.evaluation.adapt
        if adapt == "chosen":
            return tuple({"adapt": what, "lr": lr} for what in ("head", "all") for lr in lrs)
        return tuple({"lr": lr} for lr in lrs)

    def predict(self, state: State, support: Tensor, labels: Tensor, query: Tensor, setting: Setting) -> Tensor:
        """[steps + 1, query images, ways]: SGD on the support set, from the head that all episodes start with.

        With running statistics, support and query are both normalised by them; or, if the steps update them, the
        support set by its own statistics and the query by the updated ones."""
        params, head_alone, how = self._fresh(state), self._head_alone(setting), self.setup.evaluation
        batches = minibatches(len(support), how.finetune_batch, self._steps(head_alone))
        if how.batch_statistics == "running" and how.finetune_statistics == "moved":
            return self._moving(state, support, labels, query, setting["lr"], batches, head_alone)
        parts = self._of_head if head_alone else self._of_whole_network
        loss, outputs, adapted = parts(params, self._running(state), support, labels, query)
        return descended(loss, outputs, params, adapted, setting["lr"], how, batches)

    def _moving(
        self, state: State, support: Tensor, labels: Tensor, query: Tensor, lr: Any, batches: list[Images], head: bool
    ) -> Tensor:
        """Fine-tuning with `model.train()` and testing with `model.eval()`: each step also updates the running
        statistics."""
        network, fresh = self.setup.network, self._fresh(state)
        running = {name: value for name, value in state.carried.items() if not name.startswith(_EPISODE)}

        def loss(params: Params, images: Images) -> Tensor:
            return self.setup.loss(self._outputs(params, network.features(params, support[images])), labels[images])

        def outputs(params: Params) -> Tensor:
            return self._outputs(params, network.features(params, query, params))

        def follow(params: Params, images: Images) -> Params:
            return moved({name: params[name] for name in running}, network.observed(params, support[images]))

        adapted = [name for name in fresh if name.startswith("head") or not head]
        return descended(loss, outputs, fresh | running, adapted, lr, self.setup.evaluation, batches, follow)

    def _of_whole_network(
        self, params: Params, running: Params | None, support: Tensor, labels: Tensor, query: Tensor
    ) -> Parts:
        network, mode = self.setup.network, self.setup.evaluation.batch_statistics

        def support_loss(params: Params, images: Images) -> Tensor:
            features = network.features(params, support[images], running)
            return self.setup.loss(self._outputs(params, features), labels[images])

        def query_outputs(params: Params) -> Tensor:
            statistics = network.observed(params, support) if mode == "support" else running
            return self._outputs(params, network.features(params, query, statistics))

        return support_loss, query_outputs, params.keys()

    def _of_head(self, params: Params, running: Params | None, support: Tensor, labels: Tensor, query: Tensor) -> Parts:
        """The features do not change, so they are computed once."""
        network, mode = self.setup.network, self.setup.evaluation.batch_statistics
        anchors, queries, _ = features_of(network, params, support, query, mode, running)
        adapted = [name for name in params if name.startswith("head")]

        def support_loss(params: Params, images: Images) -> Tensor:
            return self.setup.loss(self._outputs(params, anchors[images]), labels[images])

        return support_loss, lambda params: self._outputs(params, queries), adapted

    def stacked_predict(
        self, engine: Engine, state: State, support: Tensor, labels: Tensor, query: Tensor, setting: Setting
    ) -> Tensor:
        """`predict` for stacked episodes, [episodes, steps + 1, query images, ways], except with running statistics."""
        params, head_alone = self._fresh(state), self._head_alone(setting)
        adapted = [name for name in params if name.startswith("head") or not head_alone]
        inner, mode = Inner(adapted, setting["lr"], self._steps(head_alone)), self.setup.evaluation.batch_statistics
        return stacked_outputs(engine, params, support, labels, query, inner, mode)

    def _fresh(self, state: State) -> Params:
        """The initial parameters of an episode."""
        heads = {name: value for name, value in state.carried.items() if name.startswith(_EPISODE)}
        return state.params | {name.removeprefix(_EPISODE): value for name, value in heads.items()}

    def _fresh_head(self, generator: torch.Generator, outputs: int) -> Params:
        """A head drawn like a convolution: the N(0, 1) head of the paper's Omniglot network is meant for a few outputs,
        and a classifier with a thousand classes hardly learns from it."""
        head: Params = self.setup.network.init_head(generator, outputs, like="conv")
        return head

    def _training_outputs(self, params: Params, features: Tensor) -> Tensor:
        return self._outputs(params, features)

    def _outputs(self, params: Params, features: Tensor) -> Tensor:
        """The outputs of the head of an episode, and of that of training unless a method says otherwise."""
        outputs: Tensor = self.setup.network.head(params, features)
        return outputs

    def _head_alone(self, setting: Setting) -> bool:
        return setting.get("adapt", self.setup.evaluation.adapt) == "head"

    def _steps(self, head_alone: bool) -> int:
        evaluation = self.setup.evaluation
        of_head = evaluation.finetune_head_steps if head_alone else None
        return evaluation.finetune_steps if of_head is None else of_head

    def _running(self, state: State) -> Params | None:
        return state.carried if self.setup.evaluation.batch_statistics == "running" else None
