"""Draws the initial parameters."""

from __future__ import annotations

import torch
from torch import Tensor

_TRUNCATED_SD = 0.01  # truncated at two standard deviations: the authors' `construct_fc_weights` (maml.py)


def linear(name: str, weight: Tensor, generator: torch.Generator, initialisation: str) -> dict[str, Tensor]:
    """`<name>.weight`, written into the given tensor [outputs, inputs, ...], and `<name>.bias`, drawn by the protocol's
    `initialisation`; with `glorot-normal-head` only the head is normal."""
    bias = torch.zeros(weight.shape[0])
    if initialisation == "glorot-normal-head" and name == "head":
        weight.normal_(generator=generator)
    elif initialisation.startswith("glorot"):
        torch.nn.init.xavier_uniform_(weight, generator=generator)
    elif initialisation == "he" and weight.dim() > 2:  # by fan-out (Chen et al. 2019, backbone.py: init_layer)
        weight.normal_(0, (2 / weight[:, 0].numel()) ** 0.5, generator=generator)
    elif initialisation == "truncated-normal":
        sd = _TRUNCATED_SD
        torch.nn.init.trunc_normal_(weight, std=sd, a=-2 * sd, b=2 * sd, generator=generator)
    else:  # PyTorch's default, also for the head under `he`: both uniform within 1 / sqrt(fan-in)
        bound = weight[0].numel() ** -0.5
        weight.uniform_(-bound, bound, generator=generator)
        bias.uniform_(-bound, bound, generator=generator)
    return {f"{name}.weight": weight, f"{name}.bias": bias}
