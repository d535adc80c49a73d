"""Episodes of functions: episode i holds points of one function, a pure function of (benchmark, split, seed, i)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from bench.data.sinusoids import Range, Sinusoids
from bench.episodes import sampling
from bench.protocols.benchmarks import Benchmark
from methods.contract import Episode


class Points(NamedTuple):
    """Points of functions, the support first; any leading dimensions: `inputs` [..., episodes, points, 1], or with the
    function's parameters beside each, [..., episodes, points, 3]; `targets` [..., episodes, points, 1]."""

    inputs: Tensor
    targets: Tensor


def draw(
    benchmark: Benchmark, functions: Sinusoids, split: str, seed: int, first: int, count: int, queries: int
) -> tuple[np.ndarray, np.ndarray]:
    """Episodes `first` .. `first + count - 1` of a split's stream, in float64: the parameters of their functions
    [episodes, 2], and inputs [episodes, shots + queries], so that more queries only lengthen the list."""
    size = functions.parameters + benchmark.shots + queries
    raw = sampling.raw(benchmark, split, seed, first, count, size)
    parameters = [_uniform(raw[:, k], bounds) for k, bounds in enumerate((functions.amplitude, functions.phase))]
    return np.stack(parameters, -1), _uniform(raw[:, functions.parameters :], functions.inputs)


def digest(benchmark: Benchmark, functions: Sinusoids, split: str, seed: int, queries: int) -> str:
    """SHA-256 over a stream's first episodes: what is drawn, to the last bit. (The functions' values are computed from
    that, and their last bit is the sine's of the platform.)"""
    parts = draw(benchmark, functions, split, seed, 0, sampling.DIGEST_EPISODES, queries)
    return hashlib.sha256(b"".join(part.astype("<f8").tobytes() for part in parts)).hexdigest()


def _uniform(raw: np.ndarray, bounds: Range) -> np.ndarray:
    """Uniform in [low, high) from 64 raw bits, of which a float64 holds the upper 53."""
    low, high = bounds
    return low + (high - low) * ((raw >> np.uint64(11)) * 2.0**-53)


@dataclass(frozen=True)
class FunctionSource:
    """One split's episodes under one seed. `told`: each input is followed by the parameters of its function."""

    benchmark: Benchmark
    functions: Sinusoids
    split: str
    seed: int
    queries: int
    device: torch.device
    told: bool = False

    def draw(self, first: int, count: int) -> Points:
        """Episodes `first` .. `first + count - 1` of the stream, in float32 on the host."""
        where = (self.benchmark, self.functions, self.split, self.seed)
        parameters, inputs = draw(*where, first, count, self.queries)
        targets = self.functions.values(parameters, inputs)
        return Points(self.as_inputs(parameters, inputs), _column(targets))

    def as_inputs(self, parameters: np.ndarray, inputs: np.ndarray) -> Tensor:
        """What a network is given of inputs [episodes, points]: [episodes, points, 1 or 3]."""
        if not self.told:
            return _column(inputs)
        beside = torch.from_numpy(parameters).float()[:, None].expand(-1, inputs.shape[1], -1)
        return torch.cat([_column(inputs), beside], -1)

    def episodes(self, first: int, count: int) -> Episode:
        """The same on the device, each tensor with a leading dimension [episodes, ...]."""
        return self.as_episodes(Points(*(part.to(self.device) for part in self.draw(first, count))))

    def as_episodes(self, points: Points) -> Episode:
        """What is drawn, as support and query: each tensor with its leading dimensions [..., episodes, ...]."""
        shots = self.benchmark.shots
        support, query = (Points(*(part[..., at, :] for part in points)) for at in (slice(shots), slice(shots, None)))
        return Episode(support.inputs, support.targets, query.inputs, query.targets)


def _column(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values).float()[..., None]
