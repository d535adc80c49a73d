"""Nearest neighbour by cosine on the fine-tune baseline's features (Ravi and Larochelle, ICLR 2017)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.batch_norm import features_of
from methods.contract import Setting, State
from methods.finetune import Finetune


class Nearest(Finetune):
    """Nearest neighbour on the features of `finetune`'s weights: no training and no adaptation of its own."""

    training_batch: str | None = None
    weights_of: str | None = "finetune"
    settings = ()

    def candidates(self) -> Sequence[Setting]:
        """A single empty setting: nothing is chosen on validation episodes."""
        return ({},)

    def predict(self, state: State, support: Tensor, labels: Tensor, query: Tensor, setting: Setting) -> Tensor:
        """[1, query images, ways]: the largest cosine similarity to a support image of each class."""
        network, mode = self.setup.network, self.setup.evaluation.batch_statistics
        anchors, queries, _ = features_of(network, state.params, support, query, mode, self._running(state))
        similarity = F.normalize(queries, dim=1) @ F.normalize(anchors, dim=1).T
        of_class = labels == torch.arange(self.setup.ways, device=labels.device)[:, None]  # [ways, support images]
        return torch.where(of_class, similarity[:, None, :], -torch.inf).amax(2)[None]
