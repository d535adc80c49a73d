"""Episodes as tensors: uint8 images stay on the device, indices arrive, batches are gathered and converted there."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from bench import episodes
from bench.benchmarks import Benchmark
from bench.data.images import ImageClass, ImageSet
from methods.contract import Episode, ImageBatch


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

    def episodes(self, first: int, count: int) -> Episode:
        """Episodes `first` .. `first + count - 1`, each tensor with a leading dimension [episodes, ...]."""
        drawn = episodes.draw(self.benchmark, self.classes, self.split, self.seed, first, count, self.queries)
        ways, shots = self.benchmark.ways, self.benchmark.shots
        images = self._turned(self._gathered(drawn.images), torch.from_numpy(drawn.turns))
        labels = torch.arange(ways, device=self.pixels.device)
        return Episode(
            images[:, :, :shots].flatten(1, 2),
            labels.repeat_interleave(shots).expand(count, -1),
            images[:, :, shots:].flatten(1, 2),
            labels.repeat_interleave(self.queries).expand(count, -1),
        )

    def images(self, first: int, count: int) -> ImageBatch:
        """The images of the same episodes, with their classes among all classes of the split."""
        drawn = episodes.draw(self.benchmark, self.classes, self.split, self.seed, first, count, self.queries)
        images = self._turned(self._gathered(drawn.images), torch.from_numpy(drawn.turns))
        labels = torch.from_numpy(drawn.classes)[:, :, None].expand(images.shape[:3])
        return ImageBatch(images.flatten(0, 2), labels.reshape(-1).to(self.pixels.device))

    def random_images(self, index: int, size: int) -> ImageBatch:
        """Batch `index` of `size` images drawn uniformly from the split, unturned."""
        images, classes = episodes.draw_images(self.benchmark, self.classes, self.seed, index, 1, size)
        return ImageBatch(self._gathered(images[0]), torch.from_numpy(classes[0]).to(self.pixels.device))

    def _gathered(self, indices: np.ndarray) -> Tensor:
        """float32 in [0, 1], [..., channels, height, width]."""
        return self.pixels[torch.from_numpy(indices - self.base).to(self.pixels.device)].float() / 255

    def _turned(self, images: Tensor, turns: Tensor) -> Tensor:
        """[episodes, ways, images, channels, height, width], each class turned by its multiple of 90 degrees."""
        if not self.benchmark.rotations:
            return images
        turns = turns.to(images.device)[:, :, None, None, None, None]
        turned = images
        for k in (1, 2, 3):
            turned = torch.where(turns == k, torch.rot90(images, k, (-2, -1)), turned)
        return turned


def source(benchmark: Benchmark, images: ImageSet, split: str, seed: int, queries: int, device: torch.device) -> Source:
    """The episodes of a split, with its images on the device. Raises UserError where the data cannot fill one."""
    classes = episodes.classes_of(benchmark, images, split)
    episodes.check(benchmark, classes, queries)
    base = classes[0].offset
    chosen = np.array(images.images[base : classes[-1].offset + classes[-1].count])
    pixels = torch.from_numpy(chosen).permute(0, 3, 1, 2).contiguous().to(device)
    return Source(benchmark, split, seed, queries, classes, pixels, base)
