"""The data for checking a method: small episodes of noise, where accuracy must be at chance, and of functions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from torch import Tensor

from bench.data.images import ImageClass, ImageSet
from bench.data.sinusoids import SINUSOIDS
from bench.episodes.stream import EpisodeStream
from bench.protocols import presets
from bench.protocols.benchmarks import IMAGES, SPLITS, Benchmark, get
from bench.protocols.protocol import Protocol
from bench.training import initial
from bench.training.batches import TrainingBatches
from bench.training.workload import NamedMethod, Workload
from methods import METHODS
from methods.contract import Method, State

CPU = torch.device("cpu")
FUNCTIONS = "functions"
BENCHMARK = Benchmark("small", "noise", 3, 2, (1, 12, 12), rotations=True)  # 3 ways, 2 shots of 12 x 12 grey images
_CLASSES, _IMAGES = 8, 12  # classes per split, and images per class


@cache
def noise() -> ImageSet:
    """8 classes per split, each with 12 random images of 12 x 12; in the first class of each split the last image is a
    copy."""
    pixels = np.random.default_rng(7).integers(0, 256, (3 * _CLASSES * _IMAGES, 12, 12, 1), dtype=np.uint8)
    classes = []
    for k in range(3 * _CLASSES):
        distinct = _IMAGES - 1 if k % _CLASSES == 0 else _IMAGES
        if distinct < _IMAGES:
            pixels[k * _IMAGES + distinct] = pixels[k * _IMAGES + distinct - 1]
        classes.append(ImageClass(f"class{k:02}", SPLITS[k // _CLASSES], k * _IMAGES, _IMAGES, distinct))
    return ImageSet("noise", pixels, tuple(classes), "0" * 64)


def of_images() -> Protocol:
    """The protocol of `tiny`, for the toy benchmark: few iterations, few filters."""
    protocol = presets.paper(get("tiny"))
    training = replace(protocol.training, filters=4, iterations=6, meta_batch=3, queries=2, inner_lr=0.4, inner_steps=2)
    return Protocol(training, replace(protocol.evaluation, queries=3, episodes=8, inner_steps=2))


def of_functions() -> Protocol:
    """The protocol of `sinusoid-5s`, with few episodes."""
    protocol = presets.paper(get("sinusoid-5s"))
    training = replace(protocol.training, filters=8, iterations=6, meta_batch=3)
    return Protocol(training, replace(protocol.evaluation, episodes=8, finetune_episodes=4))


@dataclass(frozen=True)
class Subject:
    """A method's class, with one form of data."""

    kind: type[Method]
    form: str

    @property
    def benchmark(self) -> Benchmark:
        """The benchmark for this form."""
        return BENCHMARK if self.form == IMAGES else get("sinusoid-5s")

    @property
    def protocol(self) -> Protocol:
        """The protocol for this form."""
        return of_images() if self.form == IMAGES else of_functions()

    def build(self, mode: str | None = None, layers: str = "vectorised") -> Method:
        """The method, evaluated with this kind of batch-norm statistics (None: the first that it declares)."""
        evaluation = replace(self.protocol.evaluation, batch_statistics=mode or self.kind.batch_statistics[0])
        return workload(self.kind, self.benchmark, replace(self.protocol, evaluation=evaluation)).build(layers)

    def state(self, seed: int = 0) -> State:
        """The initial state of the method, or of the one whose weights it evaluates."""
        kind = METHODS[self.kind.weights_of] if self.kind.weights_of else self.kind
        return initial.initial_state(Subject(kind, self.form).build(), seed)

    def stream(self, split: str, seed: int = 0) -> EpisodeStream:
        """The episodes of a split."""
        return workload(self.kind, self.benchmark, self.protocol).stream(split, seed)

    def batches(self, seeds: int) -> TrainingBatches:
        """The training batches of several seeds."""
        made = [self.stream("train", seed) for seed in range(seeds)]
        return TrainingBatches(self.kind.training_batch or "episodes", self.protocol.training, made)


@dataclass(frozen=True)
class GivenMethod(NamedMethod):
    """A method given by its class, which may break the contract."""

    given: type[Method]

    @property
    def kind(self) -> type[Method]:
        """The method's class."""
        return self.given


def workload(kind: type[Method], benchmark: Benchmark, protocol: Protocol) -> Workload:
    """A workload of a method on the noise, or on sinusoids."""
    data = noise() if benchmark.form == IMAGES else SINUSOIDS
    method = GivenMethod(kind.__name__, kind)
    return Workload(benchmark=benchmark, method=method, protocol=protocol, data=data, device=CPU)


def flat(state: State) -> dict[str, Tensor]:
    """All tensors of a state."""
    return dict(state.params) | dict(state.carried)
