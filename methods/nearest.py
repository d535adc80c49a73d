"""Nearest neighbour by cosine on the fine-tune baseline's features (Ravi and Larochelle, ICLR 2017)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.contract import Params, Setting, State
from methods.finetune import Finetune


class Nearest(Finetune):
    """Trains nothing and adapts nothing: it evaluates `finetune`'s weights."""

    training_batch: str | None = None
    weights_of: str | None = "finetune"
    settings = ()

    def candidates(self) -> Sequence[Setting]:
        """Nothing is chosen on validation episodes."""
        return ({},)

    def predict(self, state: State, support: Tensor, labels: Tensor, query: Tensor, setting: Setting) -> Tensor:
        """[1, query images, ways]: the greatest cosine similarity to a support image of each class."""
        network, mode = self.setup.network, self.setup.evaluation.batch_statistics
        running = self._running(state)
        seen: Params = {}
        anchors = network.features(state.params, support, running, seen)
        queries = network.features(state.params, query, seen if mode == "support" else running)
        similarity = F.normalize(queries, dim=1) @ F.normalize(anchors, dim=1).T
        of_class = labels == torch.arange(self.setup.ways, device=labels.device)[:, None]  # [ways, support images]
        return torch.where(of_class, similarity[:, None, :], -torch.inf).amax(2)[None]
