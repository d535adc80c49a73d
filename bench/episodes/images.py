"""Episodes as tensors: uint8 images stay on the device, indices arrive, batches are gathered and converted there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from bench.data.images import ImageClass, ImageSet
from bench.episodes import sampling
from bench.protocols.benchmarks import Benchmark
from methods.contract import Episode, ImageBatch


class Drawn(NamedTuple):
    """Episodes as indices, on the host until a device needs them; any leading dimensions.

    `images` [..., episodes, ways, images] indexes the split's images, the support first; `turns` [..., episodes, ways]
    are multiples of 90 degrees; `classes` [..., episodes, ways] indexes the split's classes.
    """

    images: Tensor
    turns: Tensor
    classes: Tensor


@dataclass(frozen=True)
class Source:
    """One split's episodes under one seed. `pixels` holds the split's images, uint8 [images, channels, height, width],
    and `base` the place of the first of them in the whole image set."""

    benchmark: Benchmark
    split: str
    seed: int
    queries: int
    classes: tuple[ImageClass, ...]
    pixels: Tensor = field(repr=False)
    base: int

    @property
    def device(self) -> torch.device:
        """Where the images are."""
        return self.pixels.device

    def draw(self, first: int, count: int) -> Drawn:
        """Episodes `first` .. `first + count - 1` of the stream."""
        drawn = sampling.draw(self.benchmark, self.classes, self.split, self.seed, first, count, self.queries)
        images, turns, classes = drawn.images - self.base, drawn.turns, drawn.classes
        return Drawn(*(torch.from_numpy(part) for part in (images, turns, classes)))

    def draw_images(self, first: int, count: int, size: int) -> Drawn:
        """Batches of `size` images drawn uniformly from the split, unturned: each image as an episode of one class.

        Batches `first` .. `first + count - 1`, [count, size, 1, 1]."""
        images, classes = sampling.draw_images(self.benchmark, self.classes, self.seed, first, count, size)
        chosen, kinds = torch.from_numpy(images - self.base), torch.from_numpy(classes)[..., None]
        return Drawn(chosen[..., None, None], torch.zeros_like(kinds), kinds)

    def episodes(self, first: int, count: int) -> Episode:
        """Episodes `first` .. `first + count - 1`, each tensor with a leading dimension [episodes, ...]."""
        return self.as_episodes(Drawn(*(part.to(self.device) for part in self.draw(first, count))))

    def as_episodes(self, drawn: Drawn) -> Episode:
        """What is drawn, gathered on the device: each tensor with its leading dimensions [..., episodes, ...]."""
        shots, images = self.benchmark.shots, self._gathered(drawn)
        labels = torch.arange(self.benchmark.ways, device=images.device)

        def of_all(count: int) -> Tensor:
            return labels.repeat_interleave(count).expand(*drawn.turns.shape[:-1], -1)

        support, query = images[..., :shots, :, :, :], images[..., shots:, :, :, :]
        return Episode(support.flatten(-5, -4), of_all(shots), query.flatten(-5, -4), of_all(query.shape[-4]))

    def as_images(self, drawn: Drawn) -> ImageBatch:
        """The same as images [..., images, ...] with their classes among all classes of the split."""
        images = self._gathered(drawn)
        labels = drawn.classes[..., None].expand(images.shape[:-3])
        return ImageBatch(images.flatten(-6, -4), labels.flatten(-3))

    def _gathered(self, drawn: Drawn) -> Tensor:
        """float32 in [0, 1], [..., episodes, ways, images, channels, height, width]."""
        images = self.pixels[drawn.images].float() / 255
        if not self.benchmark.rotations:
            return images
        turns = drawn.turns[..., None, None, None, None]
        turned = images
        for k in (1, 2, 3):
            turned = torch.where(turns == k, torch.rot90(images, k, (-2, -1)), turned)
        return turned


def source(benchmark: Benchmark, images: ImageSet, split: str, seed: int, queries: int, device: torch.device) -> Source:
    """The episodes of a split, with its images on the device. Raises UserError where the data cannot fill one."""
    classes = sampling.classes_of(benchmark, images, split)
    sampling.check(benchmark, classes, queries)
    base = classes[0].offset
    chosen = np.array(images.images[base : classes[-1].offset + classes[-1].count])
    pixels = torch.from_numpy(chosen).permute(0, 3, 1, 2).contiguous().to(device)
    return Source(benchmark, split, seed, queries, classes, pixels, base)
