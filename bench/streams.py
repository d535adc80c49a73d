"""The episodes of a benchmark, whatever form its data have: images by class, or a family of functions."""

from __future__ import annotations

from pathlib import Path

import torch

from bench import batches, episodes, points
from bench.benchmarks import Benchmark
from bench.data import store
from bench.data.functions import SINUSOIDS, Sinusoids
from bench.data.images import ImageSet
from bench.protocol import Training

Data = ImageSet | Sinusoids
Source = batches.Source | points.FunctionSource
Drawn = batches.Drawn | points.Points


def load(benchmark: Benchmark, training: Training, data_dir: Path | None) -> Data:
    """The benchmark's data. Raises UserError where they are missing or damaged."""
    if benchmark.source == SINUSOIDS.name:
        return SINUSOIDS
    return store.load(benchmark.source, data_dir, training.resize)


def check(benchmark: Benchmark, data: Data, split: str, queries: int) -> None:
    """Raises UserError where the data cannot fill such an episode; functions have points without end."""
    if isinstance(data, ImageSet):
        episodes.check(benchmark, episodes.classes_of(benchmark, data, split), queries)


def class_count(benchmark: Benchmark, data: Data) -> int:
    """How many classes there are to train on; functions have none."""
    return len(episodes.classes_of(benchmark, data, "train")) if isinstance(data, ImageSet) else 0


def digest(benchmark: Benchmark, data: Data, split: str, seed: int, queries: int) -> str:
    """SHA-256 over the content of a stream's first episodes."""
    drawn_by = episodes if isinstance(data, ImageSet) else points
    return drawn_by.digest(benchmark, data, split, seed, queries)


def source(
    benchmark: Benchmark, data: Data, split: str, seed: int, queries: int, device: torch.device, told: bool = False
) -> Source:
    """The episodes of a split, on the device; `told`: their inputs hold the parameters of the function."""
    if isinstance(data, ImageSet):
        return batches.source(benchmark, data, split, seed, queries, device)
    return points.FunctionSource(benchmark, data, split, seed, queries, device, told)
