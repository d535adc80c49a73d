"""Reads and writes values at the maxima of 2x2 windows by comparing positions: on a GPU, scattering is unordered or
sorts first, and the derivative of gathering is a scatter.

Layers [..., rows, columns, channels]; `place` [..., rows // 2, columns // 2, channels] is row * columns + column of the
maximum in its image, as in torch's max-pooling."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor


def gather(layer: Tensor, place: Tensor) -> Tensor:
    """The values at the places."""
    window = _in_window(place, layer.shape[-2])
    return torch.stack([torch.where(window == k, one, 0) for k, one in enumerate(_places(layer, place))]).sum(0)


def add_at(layer: Tensor, place: Tensor, values: Tensor) -> None:
    """Adds values to a layer at the places; in place."""
    window = _in_window(place, layer.shape[-2])
    for k, one in enumerate(_places(layer, place)):
        one += torch.where(window == k, values, 0)


def _in_window(place: Tensor, columns: int) -> Tensor:
    """2 * row + column within the window."""
    return place // columns % 2 * 2 + place % columns % 2


def _places(layer: Tensor, place: Tensor) -> Iterator[Tensor]:
    """The first, second, third and fourth positions of all windows, as views of the layer."""
    rows, columns = place.shape[-3:-1]
    for row in (0, 1):
        for column in (0, 1):
            yield layer[..., row : 2 * rows : 2, column : 2 * columns : 2, :]
