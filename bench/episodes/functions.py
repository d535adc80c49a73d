"""Episodes of functions: episode i consists of points of one function, and is a pure function of (benchmark, split,
seed, i)."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from bench.data.sinusoids import Range
from bench.episodes.stream import DIGEST_EPISODES, EpisodeStream
from bench.errors import UserError
from methods.contract import Episode


class Points(NamedTuple):
    """Points of functions, the support first, with any leading dimensions: `inputs` [..., episodes, points, 1], or
    [..., episodes, points, 3] with the function's parameters beside each point; `targets` [..., episodes, points,
    1]."""

    inputs: Tensor
    targets: Tensor


class FunctionEpisodes(EpisodeStream):
    """Episodes of `Sinusoids`: each consists of points of one function. Functions and points are unlimited."""

    def check(self, option: str = "") -> None:
        """Raises UserError if an episode would need several classes, or minibatches."""
        if self.minibatches is not None:
            raise UserError(
                f"inner_batch: {self.benchmark.name} has no images to make minibatches of: --set inner_batch=none"
            )
        if self.shape.ways != self.benchmark.ways:
            raise UserError(
                f"ways={self.shape.ways}: an episode of {self.benchmark.name} is one function: do not set it"
            )

    @cached_property
    def digest(self) -> str:
        """SHA-256 over everything drawn for the first episodes. (The functions' values are computed from it, and their
        last bit depends on the platform's sine.)"""
        parts = self.sample(0, DIGEST_EPISODES)
        return hashlib.sha256(b"".join(part.astype("<f8").tobytes() for part in parts)).hexdigest()

    def sample(self, first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Episodes `first` .. `first + count - 1` in float64: the parameters of their functions [episodes, 2], and
        inputs [episodes, shots + queries]; more queries only lengthen the list."""
        functions = self.data
        raw = self._raw(first, count, functions.parameters + self.shape.shots + self.shape.queries)
        parameters = [_uniform(raw[:, k], bounds) for k, bounds in enumerate((functions.amplitude, functions.phase))]
        return np.stack(parameters, -1), _uniform(raw[:, functions.parameters :], functions.inputs)

    def draw(self, first: int, count: int) -> Points:
        """Episodes `first` .. `first + count - 1`, in float32."""
        parameters, inputs = self.sample(first, count)
        return Points(self.as_inputs(parameters, inputs), _column(self.data.values(parameters, inputs)))

    def as_inputs(self, parameters: np.ndarray, inputs: np.ndarray) -> Tensor:
        """Inputs [episodes, points] as a network receives them: [episodes, points, 1 or 3]."""
        if not self.with_parameters:
            return _column(inputs)
        beside = torch.from_numpy(parameters).float()[:, None].expand(-1, inputs.shape[1], -1)
        return torch.cat([_column(inputs), beside], -1)

    def as_episodes(self, points: Points) -> Episode:
        """Drawn points split into support and query; each tensor has leading dimensions [..., episodes, ...]."""
        shots = self.shape.shots
        support, query = (Points(*(part[..., at, :] for part in points)) for at in (slice(shots), slice(shots, None)))
        return Episode(support.inputs, support.targets, query.inputs, query.targets)


def _uniform(raw: np.ndarray, bounds: Range) -> np.ndarray:
    """Uniform in [low, high) from the upper 53 of 64 raw bits, as many as a float64 holds."""
    low, high = bounds
    return low + (high - low) * ((raw >> np.uint64(11)) * 2.0**-53)


def _column(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values).float()[..., None]
