"""The loss that a benchmark is trained on and the score that it is measured by."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def cross_entropy(outputs: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of outputs [images, classes] and labels [images]."""
    return F.cross_entropy(outputs, labels)


def accuracy(outputs: Tensor, labels: Tensor) -> Tensor:
    """The share of images whose greatest output is the label's: [..., images, classes], [..., images] -> [...].

    NaN where an output is: what is no prediction is not a wrong one, and must be seen."""
    score = (outputs.argmax(-1) == labels).double().mean(-1)
    return score.where(~outputs.isnan().any(-1).any(-1), torch.nan)
