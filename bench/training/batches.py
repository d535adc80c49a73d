"""The batches of each training iteration: drawn ahead in blocks and copied to the device, with images as indices."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from bench.episodes.images import ImageEpisodes
from bench.episodes.stream import EpisodeStream
from bench.protocols.protocol import Protocol, Training

_AHEAD = 32  # iterations drawn at a time


def minibatches(protocol: Protocol, split: str, used: Collection[str]) -> tuple[int, int] | None:
    """(inner steps, images per step) in training or at test; None if the method, which uses the settings in `used`,
    takes no minibatches."""
    part = protocol.training if split == "train" else protocol.evaluation
    return (part.inner_steps, part.inner_batch) if part.inner_batch and "inner_batch" in used else None


@dataclass(frozen=True)
class TrainingBatches:
    """The batches of a training. `kind`: "episodes" or "images", as the method asks for; `streams`: one per seed that
    trains together, on the device, all with the same data."""

    kind: str
    training: Training
    streams: Sequence[EpisodeStream]

    def at(self, iteration: int) -> Any:
        """The batch of iteration `iteration`, counted from 0: [seeds, episodes, ...], on the device, with images as
        indices."""
        block, place = divmod(iteration, _AHEAD)
        if block not in self._blocks:
            self._blocks.clear()
            self._blocks[block] = self._drawn(block * _AHEAD, min(_AHEAD, self.training.iterations - block * _AHEAD))
        return tree_map(lambda part: part[place], self._blocks[block])

    def updates(self, drawn: Any) -> list[Any]:
        """The batch split into one part per step of the outer optimiser."""
        if self.training.meta_update != "episode" or self._uniform:
            return [drawn]
        return [tree_map(lambda part, k=k: part[:, k : k + 1], drawn) for k in range(drawn[0].shape[1])]

    def batch(self, drawn: Any) -> Any:
        """A batch of indices as the images that the method receives; each tensor has a leading dimension [seeds]."""
        stream = self.streams[0]
        if self.kind == "images":
            assert isinstance(stream, ImageEpisodes)
            return stream.as_images(drawn)
        return stream.as_episodes(drawn)

    @property
    def _uniform(self) -> bool:
        """Whether images are drawn from the whole split rather than in episodes."""
        return self.kind == "images" and self.training.image_batch is not None

    @cached_property
    def _blocks(self) -> dict[int, Any]:
        return {}

    def _drawn(self, first: int, count: int) -> Any:
        """The batches of `count` iterations: [iterations, seeds, episodes, ...]."""
        seeds = [self._of_seed(stream, first, count) for stream in self.streams]
        return tree_map(lambda *parts: _put(torch.stack(parts, dim=1), self.streams[0].device), *seeds)

    def _of_seed(self, stream: EpisodeStream, first: int, count: int) -> Any:
        size = self.training.meta_batch
        if self._uniform:
            assert isinstance(stream, ImageEpisodes)
            passes = self.training.image_order == "passes"
            return stream.draw_images(first, count, self.training.image_batch or size, passes)
        drawn = stream.draw(first * size, count * size)
        return tree_map(lambda part: part.unflatten(0, (count, size)), drawn)


def _put(tensor: Tensor, device: torch.device) -> Tensor:
    """Copies a tensor to the device. For a GPU it is copied from pinned memory: only such copies run while the GPU
    computes, so that the next block can be drawn meanwhile."""
    return (tensor.pin_memory() if device.type == "cuda" else tensor).to(device, non_blocking=True)
