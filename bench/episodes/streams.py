"""The stream of a split, for the benchmark's form of data."""

from __future__ import annotations

from typing import Any

from bench.data.images import ImageSet
from bench.episodes.functions import FunctionEpisodes
from bench.episodes.images import ImageEpisodes
from bench.episodes.stream import EVALUATION_SEED, Data, EpisodeStream
from bench.protocols.benchmarks import FUNCTIONS, IMAGES, SPLITS, Benchmark, EpisodeShape

_FORMS: dict[str, type[EpisodeStream]] = {IMAGES: ImageEpisodes, FUNCTIONS: FunctionEpisodes}


def stream(
    benchmark: Benchmark, data: Data, split: str, shape: EpisodeShape, training_seed: int = 0, **how: Any
) -> EpisodeStream:
    """The episodes of a split. Training episodes depend on the training seed; those of other splits are always the
    same. `how`: with_parameters, by_class, rotations, trained_on, minibatches."""
    seed = training_seed if split == "train" else EVALUATION_SEED
    return _FORMS[benchmark.form](benchmark, data, split, seed, shape, **how)


def lacks(data: Data) -> tuple[str, ...]:
    """The splits without any class in these data; only partial data lack some."""
    if not (isinstance(data, ImageSet) and data.partial):
        return ()
    return tuple(split for split in SPLITS if not data.split(split))
