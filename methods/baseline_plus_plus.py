"""Baseline++ (Chen, Liu, Kira, Wang and Huang, "A closer look at few-shot classification", ICLR 2019)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.contract import FINE_TUNING, Params, Setting
from methods.finetune import Finetune

_MANY = 200  # with more outputs than this, cosines are scaled by 10 (the authors' backbone.py, distLinear)


class BaselinePlusPlus(Finetune):
    """Fine-tuning of the head alone, whose outputs are cosines: `head.direction` [outputs, features] has a learned norm
    for each output, `head.norm` [outputs, 1], as in the authors' code; the text of the paper has none."""

    settings: tuple[str, ...] = tuple(name for name in FINE_TUNING if name != "adapt")

    def candidates(self) -> Sequence[Setting]:
        """The learning rates to choose from; the number of steps is chosen from the scores along each trajectory."""
        return tuple({"adapt": "head", "lr": lr} for lr in self.setup.evaluation.finetune_lrs)

    def _fresh_head(self, generator: torch.Generator, outputs: int) -> Params:
        direction = self.setup.network.init_head(generator, outputs, like="conv")["head.weight"]
        return {"head.direction": direction, "head.norm": direction.norm(dim=1, keepdim=True)}

    def _classified(self, params: Params, features: Tensor) -> Tensor:
        """Cosines times the norm of each output, times 2, or times 10 with many outputs."""
        scale = 10.0 if len(params["head.direction"]) > _MANY else 2.0
        weight = params["head.norm"] * F.normalize(params["head.direction"], dim=1, eps=1e-12)
        return scale * F.linear(features / (features.norm(dim=1, keepdim=True) + 1e-5), weight)
