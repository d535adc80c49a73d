"""A stream of episodes: the i-th is a pure function of (benchmark, split, seed, i), for any form of data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch

from bench.data.images import ImageClass, ImageSet
from bench.data.sinusoids import Sinusoids
from bench.episodes import sampling
from bench.protocols.benchmarks import Benchmark, EpisodeShape
from methods.contract import Episode

Data = ImageSet | Sinusoids
EVALUATION_SEED = 0  # validation and test episodes are the same for every training seed and every method
DIGEST_EPISODES = 16
_CPU = torch.device("cpu")


@dataclass(frozen=True, eq=False)
class EpisodeStream(ABC):
    """The episodes of one split under one seed, on a device; each form of data has a subclass.

    `with_parameters`: inputs include the parameters of the episode's function, if it has some. `by_class`: queries are
    ordered by class, as in old records (`protocol.BY_CLASS`). `rotations`: one of `protocol.ROTATIONS`, or None for the
    benchmark's. `trained_on`: the splits whose classes are trained on. `minibatches`: (inner steps, images per step),
    or None if inner steps do not use minibatches."""

    benchmark: Benchmark
    data: Any  # an `ImageSet` or `Sinusoids`, according to the subclass
    split: str
    seed: int
    shape: EpisodeShape
    device: torch.device = _CPU
    with_parameters: bool = False
    by_class: bool = False
    rotations: str | None = None
    trained_on: str = "train"
    minibatches: tuple[int, int] | None = None

    def on(self, device: torch.device) -> Self:
        """This stream on a device. Raises UserError if the data cannot fill an episode."""
        self.check()
        return replace(self, device=device)

    def episodes(self, first: int, count: int) -> Episode:
        """Episodes `first` .. `first + count - 1` on the device; each tensor has a leading dimension [episodes]."""
        drawn = self.draw(first, count)
        return self.as_episodes(type(drawn)(*(part.to(self.device) for part in drawn)))

    def fitting(self) -> Self:
        """This stream with its episodes reduced to what the data can fill."""
        return self

    @property
    def classes(self) -> Sequence[ImageClass]:
        """The classes of the split that episodes are drawn from; functions have none."""
        return ()

    @property
    def class_count(self) -> int:
        """The number of classes to draw from."""
        return len(self.classes)

    @abstractmethod
    def check(self, option: str = "") -> None:
        """Raises UserError if the data cannot fill such an episode. `option`: the option that sets the queries, if they
        are not a setting."""

    @property
    @abstractmethod
    def digest(self) -> str:
        """SHA-256 over the content of the first `DIGEST_EPISODES` episodes."""

    @abstractmethod
    def draw(self, first: int, count: int) -> Any:
        """Episodes `first` .. `first + count - 1` as a named tuple of tensors [episodes, ...] on the host."""

    @abstractmethod
    def as_episodes(self, drawn: Any) -> Episode:
        """Drawn episodes on the device, as support and query, with their leading dimensions [..., episodes, ...]."""

    def _raw(self, first: int, count: int, size: int, suffix: str = "") -> np.ndarray:
        """uint64 [count, size]: raw values of the stream, from position `first` on."""
        return sampling.raw(f"{self.benchmark.name}/{self.split}/{self.seed}{suffix}", first, count, size)
