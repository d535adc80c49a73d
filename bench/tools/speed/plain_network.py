"""Conv4 as usually written: an `nn.Module` with torch's own layers, for code that needs one."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.networks.geometry import padding
from bench.protocols.protocol import Training


class Layer(nn.Module):
    """Holds the parameters of one layer (`higher` patches no bare `nn.Module`)."""

    weight: Tensor
    bias: Tensor


class PlainConv4(nn.Module):
    """The network of `bench.networks`, with the same parameter names, starting from given parameters."""

    head: Layer

    def __init__(self, params: Mapping[str, Tensor], training: Training) -> None:
        super().__init__()
        self.training_settings = training
        for name, value in params.items():
            owner, _, kind = name.partition(".")
            if not hasattr(self, owner):
                self.add_module(owner, Layer())
            getattr(self, owner).register_parameter(kind, nn.Parameter(value.clone()))

    def forward(self, images: Tensor) -> Tensor:
        """Images [images, channels, height, width] -> outputs [images, outputs]."""
        settings, hidden = self.training_settings, images
        for k in (1, 2, 3, 4):
            convolution, norm = getattr(self, f"conv{k}"), getattr(self, f"norm{k}")
            hidden = self._convolution(hidden, convolution)
            # Ones rather than None, for which torch's batch norm has no second derivative (2.13).
            scale = norm.scale if settings.batch_norm_scale else torch.ones_like(norm.shift)
            hidden = F.batch_norm(hidden, None, None, scale, norm.shift, True, eps=settings.batch_norm_epsilon)
            hidden = F.relu(hidden)
            if settings.downsampling == "max-pool":
                hidden = F.max_pool2d(hidden, 2)
        hidden = hidden.mean((2, 3)) if settings.head_input == "mean" else hidden.flatten(1)
        return F.linear(hidden, self.head.weight, self.head.bias)

    def _convolution(self, images: Tensor, layer: Layer) -> Tensor:
        if self.training_settings.downsampling == "max-pool":
            return F.conv2d(images, layer.weight, layer.bias, padding=1)
        before, after = padding(images.shape[-1], 2)
        return F.conv2d(F.pad(images, (before, after, before, after)), layer.weight, layer.bias, stride=2)
