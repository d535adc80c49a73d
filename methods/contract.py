"""The contract between harness and methods, and their common types.

A method is written for ONE episode, as pure functions of what is learned. The harness vectorises it over the episodes
of a meta-batch, in chunks, and owns everything that must be the same for all methods: episodes, optimiser, clipping,
schedule, checkpoints, choice on validation, evaluation and timing. `tests/methods/test_contract.py` runs over every
registered method."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

Params = dict[str, Tensor]
Setting = Mapping[str, Any]  # hyperparameters (numbers or strings) that the harness chose on validation episodes
Loss = Callable[[Tensor, Tensor], Tensor]  # (outputs [images, ways], labels [images]) -> scalar: a mean


class Episode(NamedTuple):
    """One episode: support [ways * shots, channels, height, width] with labels [ways * shots], and the query likewise;
    for functions, support [shots, inputs] with targets [shots, 1].

    The harness passes batches of episodes, with a leading dimension [episodes]."""

    support: Tensor
    support_labels: Tensor
    query: Tensor
    query_labels: Tensor


class MinibatchEpisode(NamedTuple):
    """An `Episode` whose inner steps use minibatches: `minibatches` [inner steps, images] are indices of its support
    images, followed in training by its query images. `predict` gets them as its last argument."""

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
    """What training changes: `params` by the optimiser, `carried` by the method itself (running statistics). Carried
    tensors that every episode starts from have the prefix `episode.`; for another number of ways they are initialised
    again."""

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
MINIBATCHES = ("inner_optimiser", "inner_beta1", "inner_batch", "inner_loss", "scored_steps")
MULTI_STEP = ("multi_step_epochs",)
COSINES = ("cosine_scale",)
FINE_TUNING = (
    *("adapt", "finetune_steps", "finetune_head_steps", "finetune_lrs", "finetune_episodes"),
    *("finetune_batch", "finetune_momentum", "finetune_dampening", "finetune_weight_decay", "finetune_statistics"),
)

NEEDS = {
    "classes": "classes that episodes share",
    "functions": "targets with the same meaning in all episodes, such as those of functions",
    "parameters": "functions whose parameters are given with each input",
}


class Method(Protocol):
    """Built once from a `Setup`; every function is pure."""

    training_batch: str | None  # "episodes" or "images": what `loss_and_gradient` gets; None: trains nothing
    weights_of: str | None  # for a method that trains nothing, the method whose weights it evaluates
    batch_statistics: tuple[str, ...]  # the modes that it supports in evaluation
    needs: str | None  # a requirement that not every benchmark meets, one of `NEEDS`, or None

    # Optional attributes, with their defaults:
    # settings: tuple[str, ...] = INNER_LOOP: the settings that it uses, from INNER_LOOP, FINE_TUNING, MINIBATCHES,
    # MULTI_STEP and COSINES
    # ignores: tuple[str, ...] = (): other settings that it does not use, by their `--set` names
    # training_statistics: tuple[str, ...] = ("batch", "support"): the modes that it supports in training
    # uses_length: bool = False: whether its steps depend on the total number of iterations; for a user's method it
    # counts as unknown unless the class declares it
    # episodes_in_turn: bool = False: if True, the episodes of a meta-batch are processed in order, and each gets the
    # `carried` of the previous one; if False, all get that of the meta-batch, and the mean of their results is kept

    def __hash__(self) -> int:
        """Compiled code is cached per method object."""
        return object.__hash__(self)

    def __init__(self, setup: Setup) -> None: ...

    def init(self, generator: torch.Generator) -> State:
        """The initial state of training, in float32 on the CPU."""

    def loss_and_gradient(self, state: State, batch: Any) -> tuple[Tensor, Params, Params]:
        """The loss of one episode (or one image batch), its gradient for `state.params`, and the new
        `state.carried`."""

    def candidates(self) -> Sequence[Setting]:
        """The settings that the harness chooses between on validation episodes; a single empty one means no choice."""

    def predict(self, state: State, support: Tensor, labels: Tensor, query: Tensor, setting: Setting) -> Tensor:
        """Outputs [inner steps + 1, query images, ways] after each inner step. It never gets the query labels."""
