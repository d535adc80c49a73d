"""The batches of each training iteration, drawn ahead in blocks and put on the device, images as indices."""

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

_AHEAD = 32  # iterations that are drawn at once


def minibatches(protocol: Protocol, split: str, used: Collection[str]) -> tuple[int, int] | None:
    """Inner steps, and the images of each, in training or at test; None where a method, which uses these settings,
    takes none."""
    part = protocol.training if split == "train" else protocol.evaluation
    return (part.inner_steps, part.inner_batch) if part.inner_batch and "inner_batch" in used else None


@dataclass(frozen=True)
class TrainingBatches:
    """`kind` ("episodes" or "images") is what the method asks for; `streams` are those of the seeds that are trained
    together, on the device: they share their data."""

    kind: str
    training: Training
    streams: Sequence[EpisodeStream]

    def at(self, iteration: int) -> Any:
        """What iteration `iteration`, counted from 0, is fed with: [seeds, episodes, ...], on the device."""
        block, place = divmod(iteration, _AHEAD)
        if block not in self._blocks:
            self._blocks.clear()
            self._blocks[block] = self._drawn(block * _AHEAD, min(_AHEAD, self.training.iterations - block * _AHEAD))
        return tree_map(lambda part: part[place], self._blocks[block])

    def updates(self, drawn: Any) -> list[Any]:
        """What is drawn as one part for each step of the optimiser."""
        if self.training.meta_update != "episode" or self._uniform:
            return [drawn]
        return [tree_map(lambda part, k=k: part[:, k : k + 1], drawn) for k in range(drawn[0].shape[1])]

    def batch(self, drawn: Any) -> Any:
        """What is drawn as what the method is fed with, each tensor with the leading dimension [seeds, ...]."""
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
        """[iterations, seeds, episodes, ...]"""
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
    """On the device. To a GPU from pinned memory, the only one that is copied while the GPU works off what it has got:
    meanwhile the next block is drawn."""
    return (tensor.pin_memory() if device.type == "cuda" else tensor).to(device, non_blocking=True)
