"""Episodes of images: which images stand in episode i, and their tensors, gathered and converted on the device."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from bench.data.images import ImageClass
from bench.episodes import sampling
from bench.episodes.stream import DIGEST_EPISODES, EpisodeStream
from bench.errors import UserError
from methods.contract import Episode, ImageBatch


class EpisodeIndices(NamedTuple):
    """Episodes as indices, on the host until a device needs them; any leading dimensions.

    `images` [..., episodes, ways, shots + queries] indexes the image set, the support first; `turns` [..., episodes,
    ways] are multiples of 90 degrees; `classes` [..., episodes, ways] indexes the split's classes, and a class's
    column is its label.
    """

    images: Tensor
    turns: Tensor
    classes: Tensor


class ImageEpisodes(EpisodeStream):
    """Episodes of an `ImageSet`: uint8 images stay on the device, indices arrive."""

    @cached_property
    def classes(self) -> tuple[ImageClass, ...]:
        """The classes of the split that the benchmark uses."""
        return self.data.split(self.split)[: self.benchmark.classes]

    def check(self) -> None:
        """Raises UserError where the classes are too few, or have too few images, for such an episode."""
        name, classes, (ways, shots, queries) = self.benchmark.name, self.classes, self.shape
        if len(classes) < ways:
            split = f"{classes[0].split} classes" if classes else "classes in a split"
            mend = f"take at most {len(classes)} ways, or add classes" if len(classes) > 1 else "add classes"
            raise UserError(f"{name}: {ways} ways, but the data have {len(classes)} {split}: {mend}")
        smallest = min(classes, key=lambda c: c.distinct)
        left = smallest.distinct - shots
        if left < queries:
            mend = f"set queries to at most {left}" if left > 0 else "take fewer shots"
            raise UserError(
                f"{name}: {shots} shots + {queries} queries a class, but {smallest.name} has "
                f"{smallest.distinct} images: {mend}"
            )

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the content of the first episodes: image bytes, turns and order."""
        images, turns, _ = self.draw(0, DIGEST_EPISODES)
        total = hashlib.sha256()
        for episode, turned in zip(images.numpy(), turns.numpy(), strict=True):
            total.update(turned.astype("<i8").tobytes())
            total.update(np.ascontiguousarray(self.data.images[episode.ravel()]).tobytes())
        return total.hexdigest()

    def draw(self, first: int, count: int) -> EpisodeIndices:
        """Episodes `first` .. `first + count - 1`."""
        ways, shots, queries = self.shape
        raw = self._raw(first, count, ways * (2 + shots + queries))
        # Classes first, then turns, then the images by rank and class: more queries only lengthen the list.
        chosen = sampling.distinct(raw[:, :ways], len(self.classes))
        turns = sampling.bounded(raw[:, ways : 2 * ways], 4) if self.benchmark.rotations else np.zeros_like(chosen)
        by_class = raw[:, 2 * ways :].reshape(count, shots + queries, ways).swapaxes(1, 2)
        places = sampling.distinct(by_class, self._each("distinct")[chosen])
        images = self._each("offset")[chosen][..., None] + places
        return EpisodeIndices(*(torch.from_numpy(part) for part in (images, turns, chosen)))

    def draw_images(self, first: int, count: int, size: int) -> EpisodeIndices:
        """Batches `first` .. `first + count - 1` of `size` images drawn uniformly from the split, unturned: each image
        as an episode of one class, [count, size, 1, 1]."""
        sizes = self._each("distinct")
        ends = np.cumsum(sizes)
        position = sampling.bounded_array(self._raw(first, count, size, "/images"), int(ends[-1]))
        chosen = np.searchsorted(ends, position, side="right")
        images = self._each("offset")[chosen] + position - (ends - sizes)[chosen]
        classes = torch.from_numpy(chosen)[..., None]
        return EpisodeIndices(torch.from_numpy(images)[..., None, None], torch.zeros_like(classes), classes)

    def labels(self, count: int) -> Tensor:
        """[ways * count]: the labels of so many images of each class, as they stand in support or query."""
        return torch.arange(self.shape.ways, device=self.device).repeat_interleave(count)

    def as_episodes(self, drawn: EpisodeIndices) -> Episode:
        """What was drawn, gathered on the device: each tensor with its leading dimensions [..., episodes, ...]."""
        images, (_, shots, queries) = self._gathered(drawn), self.shape
        support, query = images[..., :shots, :, :, :], images[..., shots:, :, :, :]
        labels = (self.labels(count).expand(*drawn.turns.shape[:-1], -1) for count in (shots, queries))
        return Episode(support.flatten(-5, -4), next(labels), query.flatten(-5, -4), next(labels))

    def as_images(self, drawn: EpisodeIndices) -> ImageBatch:
        """What was drawn as images [..., images, ...], with their classes among all classes of the split."""
        images = self._gathered(drawn)
        labels = drawn.classes[..., None].expand(images.shape[:-3])
        return ImageBatch(images.flatten(-6, -4), labels.flatten(-3))

    def _gathered(self, drawn: EpisodeIndices) -> Tensor:
        """float32 in [0, 1], [..., episodes, ways, images, channels, height, width]."""
        images = self._pixels[drawn.images - self.classes[0].offset].float() / 255
        if not self.benchmark.rotations:
            return images
        turns = drawn.turns[..., None, None, None, None]
        turned = images
        for k in (1, 2, 3):
            turned = torch.where(turns == k, torch.rot90(images, k, (-2, -1)), turned)
        return turned

    @cached_property
    def _pixels(self) -> Tensor:
        """The split's images on the device: uint8 [images, channels, height, width]."""
        first, last = self.classes[0], self.classes[-1]
        chosen = np.array(self.data.images[first.offset : last.offset + last.count])
        return torch.from_numpy(chosen).permute(0, 3, 1, 2).contiguous().to(self.device)

    def _each(self, name: str) -> np.ndarray:
        """[classes]: a number of each class of the split."""
        return np.array([getattr(each, name) for each in self.classes])
