"""Image benchmarks on noise: timing needs shapes only, and no data set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from bench.data.images import ImageClass, ImageSet
from bench.protocols import benchmarks
from bench.protocols.benchmarks import SPLITS
from bench.tools.speed.case import Case
from bench.training.execution import Execution
from bench.training.workload import NamedMethod, Workload

CLASSES, IMAGES = 20, 25  # classes per split, images per class
BENCHMARK = "miniimagenet-5w5s"


def noise(shape: tuple[int, int, int]) -> ImageSet:
    """Random images [channels, height, width] of a few classes per split."""
    channels, height, width = shape
    pixels = np.random.default_rng(0).integers(0, 256, (3 * CLASSES * IMAGES, height, width, channels), dtype=np.uint8)
    classes = [ImageClass(f"class{k:02}", SPLITS[k // CLASSES], k * IMAGES, IMAGES, IMAGES) for k in range(3 * CLASSES)]
    return ImageSet("noise", pixels, tuple(classes), "0" * 64)


@dataclass(frozen=True)
class Synthetic(Case):
    """A case whose images are noise."""

    @cached_property
    def workload(self) -> Workload:
        """The workload as `bench run` would build it, on noise."""
        data, method = noise(self.benchmark.input_shape), NamedMethod(self.method)
        return Workload(benchmark=self.benchmark, method=method, protocol=self.protocol, data=data, device=self.device)

    def with_layers(self, layers: str, mode: str) -> Execution:
        """An execution with these layers."""
        return replace(self.execution(mode), layers=layers)


def case(
    method: str = "maml", meta_batch: int | None = None, inner_steps: int | None = None, device: str = "cuda"
) -> Synthetic:
    """The benchmark miniimagenet-5w5s on noise."""
    return Synthetic(benchmarks.get(BENCHMARK), method, torch.device(device), None, meta_batch, inner_steps)
