"""A stream of episodes: the i-th is a pure function of (benchmark, split, seed, i), whatever form its data have."""

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
    """The episodes of one split under one seed, to be used on a device. A form of data is a subclass.

    `with_parameters`: inputs hold the parameters of the episode's function beside them, where it has some. `by_class`:
    queries stand class by class, as they did before they got an order of their own (`protocol.BY_CLASS`). `rotations`:
    one of `protocol.ROTATIONS`, or None, the benchmark's. `trained_on`: of which splits the classes of training are.
    `minibatches`: inner steps and images of each, or None: steps are not taken on minibatches."""

    benchmark: Benchmark
    data: Any  # of `Data` the subclass's form
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
        """This stream on a device. Raises UserError where the data cannot fill an episode."""
        self.check()
        return replace(self, device=device)

    def episodes(self, first: int, count: int) -> Episode:
        """Episodes `first` .. `first + count - 1` on the device, each tensor with a leading [episodes, ...]."""
        drawn = self.draw(first, count)
        return self.as_episodes(type(drawn)(*(part.to(self.device) for part in drawn)))

    def fitting(self) -> Self:
        """This stream with the largest episodes, up to these, that the data can fill."""
        return self

    @property
    def classes(self) -> Sequence[ImageClass]:
        """The classes of the split that episodes are drawn from; functions have none."""
        return ()

    @property
    def class_count(self) -> int:
        """How many classes there are to draw from."""
        return len(self.classes)

    @abstractmethod
    def check(self, option: str = "") -> None:
        """Raises UserError where the data cannot fill such an episode; `option`: what sets the queries, if no setting
        does."""

    @property
    @abstractmethod
    def digest(self) -> str:
        """SHA-256 over the content of the first `DIGEST_EPISODES` episodes."""

    @abstractmethod
    def draw(self, first: int, count: int) -> Any:
        """Episodes `first` .. `first + count - 1` as a named tuple of tensors [episodes, ...] on the host."""

    @abstractmethod
    def as_episodes(self, drawn: Any) -> Episode:
        """What was drawn, on the device, as support and query: with its leading dimensions [..., episodes, ...]."""

    def _raw(self, first: int, count: int, size: int, suffix: str = "") -> np.ndarray:
        """uint64 [count, size]: raw values of the stream, from place `first` on."""
        return sampling.raw(f"{self.benchmark.name}/{self.split}/{self.seed}{suffix}", first, count, size)
