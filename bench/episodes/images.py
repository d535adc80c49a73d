"""Episodes of images: which images are in episode i, and their tensors, gathered and converted on the device."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cached_property
from typing import Self, cast

import numpy as np
import torch
from torch import Tensor

from bench.data.images import ImageClass
from bench.episodes import sampling
from bench.episodes.indices import EpisodeIndices, MinibatchIndices
from bench.episodes.stream import DIGEST_EPISODES, EpisodeStream
from bench.errors import UserError, quantity
from bench.protocols.benchmarks import EpisodeShape
from bench.protocols.protocol import CLASSES, TURN, UPRIGHT
from methods.contract import Episode, ImageBatch, MinibatchEpisode


class ImageEpisodes(EpisodeStream):
    """Episodes of an `ImageSet`: its uint8 images stay on the device, where episodes are gathered by their indices."""

    @cached_property
    def classes(self) -> tuple[ImageClass, ...]:
        """The classes of the split that the benchmark uses; for training also those of validation, if they are trained
        on."""
        splits = self.trained_on.split("+") if self.split == "train" else [self.split]
        return tuple(each for split in splits for each in self.data.split(split)[: self.benchmark.classes])

    @property
    def class_count(self) -> int:
        """The number of classes that episodes are drawn from: four times as many if rotated copies are classes."""
        return len(self.classes) * self._copies

    def class_name(self, number: int) -> str:
        """The name of a class, with its rotation if rotated copies are classes."""
        place, turn = divmod(number, self._copies)
        return self.classes[place].name + (f", turned by {90 * turn}" if turn else "")

    @property
    def _copies(self) -> int:
        return 4 if self._turns == CLASSES else 1

    @property
    def _turns(self) -> str:
        return self.rotations or (TURN if self.benchmark.rotations else UPRIGHT)

    def fitting(self) -> Self:
        """This stream with its episodes reduced to what the data can fill: fewer ways, queries and shots."""
        if not self.classes:
            return self
        (ways, shots, queries), smallest = self.shape, min(c.distinct for c in self.classes)
        shots = max(1, min(shots, smallest - 1))
        queries = max(1, min(queries, smallest - shots))
        return replace(self, shape=EpisodeShape(min(ways, self.class_count), shots, queries))

    def check(self, option: str = "") -> None:
        """Raises UserError if the classes or their images are too few. `option` sets the queries, else a setting."""
        name, classes, (ways, shots, queries) = self.benchmark.name, self.classes, self.shape
        if (count := self.class_count) < max(ways, 2):
            need, mend = f"{ways} ways", f"take at most {count} ways"
            if count < 2:
                need, mend = "an episode needs 2 classes", "add some, or split yours into folders train, valid and test"
            have = f"the data have {count} {self.split} class{'es' * (count != 1)}"
            raise UserError(f"{name}: {need}, but {have}: {mend}")
        smallest = min(classes, key=lambda c: c.distinct)
        left = smallest.distinct - shots
        if left < queries:
            setting = option or ("--set queries=" if self.split == "train" else "--set evaluation.queries=")
            mend = f"set queries to at most {left} ({setting}{left})" if left > 0 else "take fewer shots"
            raise UserError(
                f"{name}: {quantity(shots, 'shot')} + {quantity(queries, 'query')} per class, but {self.split} class "
                f"{smallest.name} has {quantity(smallest.distinct, 'image')}: {mend}"
            )

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the content of the first episodes: image bytes and rotations class by class; unless queries are
        ordered by class, that digest is hashed again with their order."""
        if self.by_class:
            return self._digest_by_class()
        order = self._order(0, DIGEST_EPISODES).astype("<i8").tobytes()
        return hashlib.sha256(self._digest_by_class().encode() + order).hexdigest()

    def _digest_by_class(self) -> str:
        images, turns = self.draw(0, DIGEST_EPISODES)[:2]
        total = hashlib.sha256()
        for episode, turned in zip(images.numpy(), turns.numpy(), strict=True):
            total.update(turned.astype("<i8").tobytes())
            total.update(np.ascontiguousarray(self.data.images[episode.ravel()]).tobytes())
        return total.hexdigest()

    def draw(self, first: int, count: int) -> EpisodeIndices | MinibatchIndices:
        """Episodes `first` .. `first + count - 1`."""
        ways, shots, queries = self.shape
        raw = self._raw(first, count, ways * (2 + shots + queries))
        # Classes first, then rotations, then images by rank and class, so that more queries only lengthen the list.
        chosen = sampling.distinct(raw[:, :ways], self.class_count)
        turns = chosen % self._copies
        if self._turns == TURN:
            turns = sampling.bounded_integers(raw[:, ways : 2 * ways], 4)
        by_class = raw[:, 2 * ways :].reshape(count, shots + queries, ways).swapaxes(1, 2)
        places = sampling.distinct(by_class, self._each("distinct")[chosen])
        images = self._each("offset")[chosen][..., None] + places
        found = EpisodeIndices(*map(torch.from_numpy, (images, turns, chosen, self._order(first, count))))
        if self.minibatches is None:
            return found
        return MinibatchIndices(*found, torch.from_numpy(self._minibatches(first, count, *self.minibatches)))

    def _minibatches(self, first: int, count: int, steps: int, size: int) -> np.ndarray:
        """[episodes, steps, size]: drawn from all images of a training episode, or from the support of other
        episodes."""
        ways, shots, queries = self.shape
        images = ways * (shots + (queries if self.split == "train" else 0))
        raw = self._raw(first, count, -(-steps * size // images) * images, "/minibatches")
        return sampling.passes(raw.reshape(count, -1, images), steps, size)

    def query_labels(self, first: int, count: int) -> np.ndarray:
        """[episodes, ways * queries]: the labels of the queries of episodes `first` .. `first + count - 1`."""
        return self._order(first, count) // max(1, self.shape.queries)

    def _order(self, first: int, count: int) -> np.ndarray:
        """[episodes, ways * queries]: a random order of each episode's queries, so that a position tells nothing about
        the label. Raw values are assigned by rank, then class: more queries only come in between."""
        ways, _, queries = self.shape
        if self.by_class:
            return np.tile(np.arange(ways * queries), (count, 1))
        raw = self._raw(first, count, ways * queries, "/order").reshape(count, queries, ways)
        return raw.swapaxes(1, 2).reshape(count, -1).argsort(-1, kind="stable")

    def draw_images(self, first: int, count: int, size: int, passes: bool = False) -> EpisodeIndices:
        """Batches `first` .. `first + count - 1` of `size` images of the split, each image as an episode of one class,
        [count, size, 1, 1]; rotated only if rotated copies are classes. Drawn uniformly, or in `passes` over all
        images, each in its own order; the next pass continues a batch that the last one did not fill."""
        sizes = self._each("distinct")
        ends = np.cumsum(sizes)
        draw = self._of_passes if passes else self._uniformly
        position = draw(first, count, size, int(ends[-1]))
        chosen = np.searchsorted(ends, position, side="right")
        images = self._each("offset")[chosen] + position - (ends - sizes)[chosen]
        classes = torch.from_numpy(chosen)[..., None]
        turns, order = classes % self._copies, torch.zeros_like(classes)
        return EpisodeIndices(torch.from_numpy(images)[..., None, None], turns, classes, order)

    def _uniformly(self, first: int, count: int, size: int, total: int) -> np.ndarray:
        return sampling.bounded_array(self._raw(first, count, size, "/images"), total)

    def _of_passes(self, first: int, count: int, size: int, total: int) -> np.ndarray:
        number, place = np.divmod(np.arange(first * size, (first + count) * size), total)
        passes, of = np.unique(number, return_inverse=True)
        orders = self._raw(int(passes[0]), len(passes), total, "/passes").argsort(-1, kind="stable")
        return orders[of, place].reshape(count, size)

    def as_episodes(self, drawn: EpisodeIndices | MinibatchIndices) -> Episode:
        """Drawn indices as images gathered on the device; each tensor has leading dimensions [..., episodes, ...]."""
        ways, shots, queries = self.shape
        labels = torch.arange(ways, device=self.device).repeat_interleave(shots).expand(*drawn.turns.shape[:-1], -1)
        query_labels = drawn.order // max(1, queries)  # there may be no queries
        support = drawn.images[..., :shots].flatten(-2)
        query = drawn.images[..., shots:].flatten(-2).gather(-1, drawn.order)
        support, query = (
            self._gathered(images, drawn.turns.gather(-1, of))
            for images, of in ((support, labels), (query, query_labels))
        )
        if isinstance(drawn, MinibatchIndices):
            found = MinibatchEpisode(support, labels, query, query_labels, drawn.minibatches)
            return cast(Episode, found)  # it has all fields of an Episode, in the same positions
        return Episode(support, labels, query, query_labels)

    def as_images(self, drawn: EpisodeIndices) -> ImageBatch:
        """Drawn indices as images [..., images, ...], with their classes among all classes of the split."""
        each = torch.ones_like(drawn.images)
        images = self._gathered(drawn.images.flatten(-3), (drawn.turns[..., None] * each).flatten(-3))
        return ImageBatch(images, (drawn.classes[..., None] * each).flatten(-3))

    def _gathered(self, chosen: Tensor, turns: Tensor) -> Tensor:
        """Images [...] of the data, each with its rotation [...]: float32 in [0, 1], [..., channels, height, width]."""
        images = self._pixels[chosen - self.classes[0].offset].float() / 255
        if self._turns == UPRIGHT:
            return images
        turns = turns[..., None, None, None]
        turned = images
        for k in (1, 2, 3):
            turned = torch.where(turns == k, torch.rot90(images, k, (-2, -1)), turned)
        return turned

    @cached_property
    def _pixels(self) -> Tensor:
        """The images of the split on the device: uint8 [images, channels, height, width]."""
        first, last = self.classes[0], self.classes[-1]
        chosen = np.array(self.data.images[first.offset : last.offset + last.count])
        return torch.from_numpy(chosen).permute(0, 3, 1, 2).contiguous().to(self.device)

    def _each(self, name: str) -> np.ndarray:
        """[classes]: an attribute of each class of the split; rotated copies follow one another."""
        return np.array([getattr(each, name) for each in self.classes]).repeat(self._copies)
