"""Episodes of images as indices into the data set."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class EpisodeIndices(NamedTuple):
    """Episodes as indices, on the host until a device needs them; any leading dimensions.

    `images` [..., episodes, ways, shots + queries] indexes the image set, the support first; `turns` [..., episodes,
    ways] are multiples of 90 degrees; `classes` [..., episodes, ways] indexes the split's classes, and a class's
    column is its label. `order` [..., episodes, ways * queries]: which query stands at each place, counted class by
    class.
    """

    images: Tensor
    turns: Tensor
    classes: Tensor
    order: Tensor


class MinibatchIndices(NamedTuple):
    """`EpisodeIndices` with `minibatches` [..., episodes, inner steps, images]: which images of an episode each inner
    step is taken on, counted from the first of its support to the last of its queries."""

    images: Tensor
    turns: Tensor
    classes: Tensor
    order: Tensor
    minibatches: Tensor
