"""Loads the data of a benchmark, whatever their form: images by class, or a family of functions."""

from __future__ import annotations

from pathlib import Path

from bench.data import store
from bench.data.images import ImageSet
from bench.data.sinusoids import SINUSOIDS, Sinusoids
from bench.protocols.benchmarks import Benchmark
from bench.protocols.protocol import Training


def load(benchmark: Benchmark, training: Training, data_dir: Path | None) -> ImageSet | Sinusoids:
    """The benchmark's data. Raises UserError where they are missing or damaged."""
    if benchmark.source == SINUSOIDS.name:
        return SINUSOIDS
    return store.load(benchmark.source, data_dir, training.resize)
