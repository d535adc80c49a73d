"""The data of a benchmark in any form: images by class, or a family of functions."""

from __future__ import annotations

from pathlib import Path

from bench.data import store
from bench.data.images import ImageSet
from bench.data.omniglot_variants import variant
from bench.data.sinusoids import SINUSOIDS, Sinusoids
from bench.errors import UserError
from bench.protocols.benchmarks import Benchmark
from bench.protocols.protocol import Training

Data = ImageSet | Sinusoids
OMNIGLOT = "omniglot"
OF_OMNIGLOT = ("resize", "split", "ones")  # settings that choose a variant of its images


def load(benchmark: Benchmark, training: Training, data_dir: Path | None) -> Data:
    """The benchmark's data. Raises UserError if they are missing or damaged, or have no such variant."""
    if benchmark.source == SINUSOIDS.name:
        return SINUSOIDS
    images = store.load(benchmark.source, data_dir, training.resize)
    return variant(images, training.split, training.ones) if benchmark.source == OMNIGLOT else images


def check_variant(benchmark: Benchmark, training: Training) -> None:
    """Raises UserError if a variant of Omniglot is requested for other data."""
    for name in OF_OMNIGLOT:
        value = getattr(training, name)
        if value != getattr(Training(), name) and benchmark.source != OMNIGLOT:
            raise UserError(f"{name}={value}: only Omniglot has this variant, not {benchmark.name}")
