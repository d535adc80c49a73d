"""Baseline++ (Chen, Liu, Kira, Wang and Huang, "A closer look at few-shot classification", ICLR 2019)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.contract import COSINES, FINE_TUNING, Params, Setting
from methods.finetune import Finetune

_MANY = 200  # with more outputs than this, cosines are scaled by 10 (the authors' backbone.py, distLinear)


class BaselinePlusPlus(Finetune):
    """Fine-tuning of the head alone, whose outputs are cosines: `head.direction` [outputs, features] has a learned norm
    for each output, `head.norm` [outputs, 1], as in the authors' code; the text of the paper has none."""

    settings: tuple[str, ...] = (*(name for name in FINE_TUNING if name != "adapt"), *COSINES)

    def candidates(self) -> Sequence[Setting]:
        """The learning rates to choose from; the number of steps is chosen from the scores along each trajectory."""
        return tuple({"adapt": "head", "lr": lr} for lr in self.setup.evaluation.finetune_lrs)

    def _fresh_head(self, generator: torch.Generator, outputs: int) -> Params:
        direction = self.setup.network.init_head(generator, outputs, like="conv")["head.weight"]
        return {"head.direction": direction, "head.norm": direction.norm(dim=1, keepdim=True)}

    def _training_outputs(self, params: Params, features: Tensor) -> Tensor:
        return _scaled_cosines(params, features, None)

    def _outputs(self, params: Params, features: Tensor) -> Tensor:
        return _scaled_cosines(params, features, self.setup.evaluation.cosine_scale)


def _scaled_cosines(params: Params, features: Tensor, scale: float | None) -> Tensor:
    """Cosines times the norm of each output, times the scale: that of the authors' code if it is None."""
    if scale is None:
        scale = 10.0 if len(params["head.direction"]) > _MANY else 2.0
    weight = params["head.norm"] * F.normalize(params["head.direction"], dim=1, eps=1e-12)
    return scale * F.linear(features / (features.norm(dim=1, keepdim=True) + 1e-5), weight)
