"""Meta-steps and predictions of methods that can run on an engine.

Such a method has `stacked_loss_and_gradient` or `stacked_predict` (`methods.stacked`): the same as `loss_and_gradient`
and `predict`, but for stacked episodes and with an engine as an argument. Its class must define them itself: a class
that only inherits them may compute something else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from bench.networks.stacked.blocks import laid_out

GRADIENT, PREDICT = "stacked_loss_and_gradient", "stacked_predict"


def says(kind: type, what: str) -> bool:
    """Whether a method's class itself defines this attribute."""
    return what in vars(kind)


def predicts(kind: type, evaluation: Any) -> bool:
    """Whether a method can predict on an engine under this evaluation: not with all kinds of statistics, nor for
    fine-tuning with more options than a rate."""
    plain = not (evaluation.finetune_batch or evaluation.finetune_momentum or evaluation.finetune_weight_decay)
    return says(kind, PREDICT) and plain and evaluation.batch_statistics in ("batch", "support")


@torch.no_grad()
def sum_gradients(method: Any, engine: Any, state: Any, batch: Any) -> Any:
    """(state [seeds, ...], episodes [seeds, episodes, ...]) -> loss, gradient and carried state summed over the
    episodes, [seeds, ...]."""
    seeds, episodes = batch[0].shape[:2]
    each = tree_map(lambda one: one[:, None].expand(-1, episodes, *one.shape[1:]).flatten(0, 1), state)
    each = each._replace(params=laid_out(each.params))
    found = method.stacked_loss_and_gradient(engine, each, tree_map(lambda one: one.flatten(0, 1), batch))
    return tree_map(lambda one: one.unflatten(0, (seeds, episodes)).sum(1), found)


@torch.no_grad()
def of_images(method: Any, engine: Any, state: Any, batch: Any) -> Any:
    """(state [seeds, ...], images [seeds, images, ...]) -> their mean loss, its gradient and the carried state."""
    return method.stacked_loss_and_gradient(engine, state, batch)


@torch.no_grad()
def predict(method: Any, engine: Any, state: Any, episodes: Sequence[Tensor], setting: Any) -> Tensor:
    """(state, support, labels, query [episodes, ...], setting) -> outputs [episodes, ...]."""
    count = len(episodes[0])
    each = tree_map(lambda one: one.expand(count, *one.shape), state)
    return method.stacked_predict(engine, each._replace(params=laid_out(each.params)), *episodes, setting)
