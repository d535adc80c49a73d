"""The linear head and its loss, for stacked episodes: mean cross-entropy, its gradient, and the derivative of that in a
direction.

Features X [episodes, images, features], weight h [episodes, ways, features], bias c; the last N images have labels y.
Images without labels may come first, whose statistics normalise the others.

    z = X h + c,  p = softmax z,  d = (p - y) / N;  the gradients for h: d X, for c: sum d, for X: d h
    z' = X' h + X h' + c',  d' = p (z' - sum p z') / N;  for h': d' X + d X', for c': sum d', for X': d' h + d h'
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

Params = dict[str, Tensor]
WEIGHT, BIAS = "head.weight", "head.bias"


class Head(NamedTuple):
    """The intermediate results that the derivatives of a head need."""

    features: Tensor  # X of the images with labels
    weight: Tensor
    probabilities: Tensor  # p
    delta: Tensor  # d
    before: int  # images without labels


def outputs(params: Params, features: Tensor) -> Tensor:
    """z [episodes, images, ways]."""
    return torch.baddbmm(params[BIAS][:, None], features, params[WEIGHT].mT)


def loss(params: Params, features: Tensor, labels: Tensor) -> tuple[Tensor, Head]:
    """The loss of each episode, with labels [episodes, N], and the intermediate results that its gradient needs."""
    before = features.shape[1] - labels.shape[1]
    features = features[:, before:]
    logs = outputs(params, features).log_softmax(2)
    probabilities = logs.exp()
    delta = (probabilities - F.one_hot(labels, logs.shape[2])) / labels.shape[1]
    value = -logs.gather(2, labels[..., None]).squeeze(2).mean(1)
    return value, Head(features, params[WEIGHT], probabilities, delta, before)


def gradient(head: Head) -> tuple[Params, Tensor]:
    """The gradients with respect to the head's parameters, and to all features."""
    own = {WEIGHT: head.delta.mT @ head.features, BIAS: head.delta.sum(1)}
    return own, of_all(head.before, head.delta @ head.weight)


def derivative(head: Head, features1: Tensor | None, direction: Params) -> tuple[Params, Tensor]:
    """The derivative of both gradients in a direction; `features1` None: the features stay fixed, as do parameters that
    the direction does not name."""
    weight1, bias1 = direction.get(WEIGHT), direction.get(BIAS)
    outputs1 = torch.zeros_like(head.probabilities)
    if features1 is not None:
        features1 = features1[:, head.before :]
        outputs1 = outputs1 + features1 @ head.weight.mT
    if weight1 is not None:
        outputs1 = outputs1 + head.features @ weight1.mT
    if bias1 is not None:
        outputs1 = outputs1 + bias1[:, None]
    p = head.probabilities
    delta1 = p * (outputs1 - (p * outputs1).sum(2, keepdim=True)) / p.shape[1]
    grad_weight1, grad_features1 = delta1.mT @ head.features, delta1 @ head.weight
    if features1 is not None:
        grad_weight1 = grad_weight1 + head.delta.mT @ features1
    if weight1 is not None:
        grad_features1 = grad_features1 + head.delta @ weight1
    return {WEIGHT: grad_weight1, BIAS: delta1.sum(1)}, of_all(head.before, grad_features1)


def of_all(before: int, grad_features: Tensor) -> Tensor:
    """The gradient of all features: zeros for the images without labels, which come first."""
    return F.pad(grad_features, (0, 0, before, 0)) if before else grad_features
