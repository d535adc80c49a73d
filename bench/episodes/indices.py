"""Episodes of images as indices into the data set."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class EpisodeIndices(NamedTuple):
    """Episodes as indices, in host memory until a device needs them; with any leading dimensions.

    `images` [..., episodes, ways, shots + queries] indexes the image set, the support first; `turns` [..., episodes,
    ways] are multiples of 90 degrees; `classes` [..., episodes, ways] indexes the split's classes, and a class's column
    is its label. `order` [..., episodes, ways * queries]: which query is at each position, where queries are counted
    class by class."""

    images: Tensor
    turns: Tensor
    classes: Tensor
    order: Tensor


class MinibatchIndices(NamedTuple):
    """`EpisodeIndices` with `minibatches` [..., episodes, inner steps, images]: the images of an episode that each
    inner step uses, counted from the first of its support to the last of its queries."""

    images: Tensor
    turns: Tensor
    classes: Tensor
    order: Tensor
    minibatches: Tensor
