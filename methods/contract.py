"""The contract between harness and methods, and their common types.

A method is written for ONE episode, as pure functions of what is learned: the harness vectorises it over the episodes
of a meta-batch, in chunks, and owns everything that must be the same for all methods: episodes, optimiser, clipping,
schedule, checkpoints, choice on validation, evaluation and timing. `tests/methods/test_contract.py` runs over every
registered method.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

Params = dict[str, Tensor]
Setting = Mapping[str, Any]  # hyperparameters, numbers or words, that the harness chose on validation episodes
Loss = Callable[[Tensor, Tensor], Tensor]  # (outputs [images, ways], labels [images]) -> scalar: a mean


class Episode(NamedTuple):
    """One episode: support [ways * shots, channels, height, width] with labels [ways * shots], the query alike; of
    functions, support [shots, inputs] with targets [shots, 1].

    The harness hands out batches of them, with a leading dimension [episodes, ...]."""

    support: Tensor
    support_labels: Tensor
    query: Tensor
    query_labels: Tensor


class MinibatchEpisode(NamedTuple):
    """An `Episode` whose inner steps are taken on minibatches: `minibatches` [inner steps, images] are places among its
    support images, and, in training, behind those its query images. `predict` gets them as its last argument."""

    support: Tensor
    support_labels: Tensor
    query: Tensor
    query_labels: Tensor
    minibatches: Tensor


class ImageBatch(NamedTuple):
    """Images [images, channels, height, width] and their classes among all training classes [images]."""

    images: Tensor
    labels: Tensor


class State(NamedTuple):
    """What training changes: `params` by the optimiser, `carried` by the method itself (running statistics). What is
    carried for every episode to start from is called `episode.` and its name: it is drawn anew for other ways."""

    params: Params
    carried: Params


@dataclass(frozen=True)
class Setup:
    """What a method is built from. `training` and `evaluation` are the two parts of the protocol."""

    network: Any
    loss: Loss
    ways: int
    training_classes: int
    training: Any
    evaluation: Any


# Settings of the protocol that not every method uses.
INNER_LOOP = ("inner_lr", "inner_steps")
MINIBATCHES = ("inner_optimiser", "inner_beta1", "inner_batch", "scored_steps")
MULTI_STEP = ("multi_step_epochs",)
FINE_TUNING = (
    *("adapt", "finetune_steps", "finetune_head_steps", "finetune_lrs", "finetune_episodes"),
    *("finetune_batch", "finetune_momentum", "finetune_dampening", "finetune_weight_decay", "finetune_statistics"),
)

NEEDS = {
    "classes": "classes that episodes share",
    "functions": "targets that mean the same in all episodes, as those of functions do",
    "parameters": "functions whose parameters stand beside each input",
}


class Method(Protocol):
    """Built once from a `Setup`; every function is pure."""

    training_batch: str | None  # "episodes" or "images": what `loss_and_gradient` is fed with; None: trains nothing
    weights_of: str | None  # a method that trains nothing names the one whose weights it evaluates
    batch_statistics: tuple[str, ...]  # the modes of the evaluation that it can do
    needs: str | None  # what not every benchmark has, one of `NEEDS`; None: it takes episodes as they come

    # Where it declares none:
    # settings: tuple[str, ...] = INNER_LOOP: those of INNER_LOOP, FINE_TUNING, MINIBATCHES and MULTI_STEP that
    # it uses
    # ignores: tuple[str, ...] = (): of the others, by the names that `--set` has for them, those that it does not use
    # training_statistics: tuple[str, ...] = ("batch", "support"): the modes of the training that it can do
    # uses_length: bool = False: whether its steps depend on how many iterations a training is to have; of a method that
    # does not ship nothing is known unless its class says it
    # episodes_in_turn: bool = False. True: the episodes of a meta-batch go one after the other, and each finds what is
    # carried as the one before left it; else each finds the meta-batch's, and the mean of what they leave is kept.

    def __hash__(self) -> int:
        """What is compiled for a method is kept with it."""
        return object.__hash__(self)

    def __init__(self, setup: Setup) -> None: ...

    def init(self, generator: torch.Generator) -> State:
        """What training starts from, in float32 on the CPU."""

    def loss_and_gradient(self, state: State, batch: Any) -> tuple[Tensor, Params, Params]:
        """One episode's (or one image batch's) loss, its gradient for `state.params`, and the new `state.carried`."""

    def candidates(self) -> Sequence[Setting]:
        """The settings that the harness chooses between on validation episodes; a single empty one: no choice."""

    def predict(self, state: State, support: Tensor, labels: Tensor, query: Tensor, setting: Setting) -> Tensor:
        """Outputs [inner steps + 1, query images, ways] after each inner step. It never sees the query's labels."""
