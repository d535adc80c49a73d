"""The episodes of a benchmark, whatever form its data have: images by class, or a family of functions."""

from __future__ import annotations

from pathlib import Path

import torch

from bench.data import store
from bench.data.images import ImageSet
from bench.data.sinusoids import SINUSOIDS, Sinusoids
from bench.episodes import functions, images, sampling
from bench.protocols.benchmarks import Benchmark
from bench.protocols.protocol import Training

Data = ImageSet | Sinusoids
Source = images.Source | functions.FunctionSource
Drawn = images.Drawn | functions.Points


def load(benchmark: Benchmark, training: Training, data_dir: Path | None) -> Data:
    """The benchmark's data. Raises UserError where they are missing or damaged."""
    if benchmark.source == SINUSOIDS.name:
        return SINUSOIDS
    return store.load(benchmark.source, data_dir, training.resize)


def check(benchmark: Benchmark, data: Data, split: str, queries: int) -> None:
    """Raises UserError where the data cannot fill such an episode; functions have points without end."""
    if isinstance(data, ImageSet):
        sampling.check(benchmark, sampling.classes_of(benchmark, data, split), queries)


def class_count(benchmark: Benchmark, data: Data) -> int:
    """How many classes there are to train on; functions have none."""
    return len(sampling.classes_of(benchmark, data, "train")) if isinstance(data, ImageSet) else 0


def digest(benchmark: Benchmark, data: Data, split: str, seed: int, queries: int) -> str:
    """SHA-256 over the content of a stream's first episodes."""
    drawn_by = sampling if isinstance(data, ImageSet) else functions
    return drawn_by.digest(benchmark, data, split, seed, queries)


def source(
    benchmark: Benchmark, data: Data, split: str, seed: int, queries: int, device: torch.device, told: bool = False
) -> Source:
    """The episodes of a split, on the device; `told`: their inputs hold the parameters of the function."""
    if isinstance(data, ImageSet):
        return images.source(benchmark, data, split, seed, queries, device)
    return functions.FunctionSource(benchmark, data, split, seed, queries, device, told)
