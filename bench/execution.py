"""How a step runs, for every method alike: vectorised over episodes, in chunks that bound the memory.

Nothing here moves a number beyond rounding; what ran is recorded, and bits are promised for equal execution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.func import vmap
from torch.utils._pytree import tree_map

from bench.benchmarks import Benchmark
from bench.protocol import Training
from methods.contract import Episode, Method, Params, Setting, State

# One copy of all activations of a chunk. On a CPU a chunk beyond the caches is slower than its episodes one by one.
_CHUNK_BYTES = {"cpu": 32 * 2**20, "cuda": 2 * 2**30}


@dataclass(frozen=True)
class Execution:
    """Where and how: recorded with every run. `chunk` episodes go through at once."""

    device: torch.device
    chunk: int

    def loss_and_gradient(self, method: Method, state: State, batch: Any) -> tuple[Tensor, Params, Params]:
        """A meta-step's mean loss, its gradient, and the new carried state."""
        if method.training_batch == "images":
            return method.loss_and_gradient(state, batch)

        def one(*episode: Tensor) -> tuple[Tensor, Params, Params]:
            return method.loss_and_gradient(state, Episode(*episode))

        total = _summed(self._chunks(one, batch))
        loss, gradient, carried = _scaled(total, 1 / len(batch.support))
        return loss, gradient, carried

    def predict(self, method: Method, state: State, batch: Episode, setting: Setting) -> Tensor:
        """Outputs [episodes, inner steps + 1, query images, ways]. The method is not handed the query's labels."""

        def one(support: Tensor, labels: Tensor, query: Tensor) -> Tensor:
            return method.predict(state, support, labels, query, setting)

        return torch.cat(list(self._chunks(one, batch[:3])))

    def _chunks(self, one: Callable[..., Any], batch: tuple[Tensor, ...]) -> Iterator[Any]:
        for parts in zip(*(tensor.split(self.chunk) for tensor in batch), strict=True):
            yield vmap(one)(*parts) if len(parts[0]) > 1 else _alone(one, parts)


def chunk_size(benchmark: Benchmark, training: Training, queries: int, device: torch.device) -> int:
    """Episodes at once, so that one copy of their activations stays within bounds: at least one."""
    images = benchmark.ways * max(benchmark.shots, queries)
    height, width = benchmark.image_shape[1:]
    first_layer = height * width // (4 if training.downsampling == "stride" else 1)
    per_episode_bytes = 4 * images * training.filters * first_layer * 4 // 3
    return max(1, _CHUNK_BYTES[device.type] // per_episode_bytes)


def _alone(one: Callable[..., Any], parts: tuple[Tensor, ...]) -> Any:
    """One episode without `vmap`, whose convolutions are a tenth slower than the plain ones."""
    return tree_map(lambda value: value[None], one(*(tensor[0] for tensor in parts)))


def _summed(parts: Iterator[Any]) -> Any:
    total: Any = None
    for part in parts:
        summed = tree_map(lambda value: value.sum(0), part)
        total = summed if total is None else tree_map(torch.add, total, summed)
    return total


def _scaled(values: Any, factor: float) -> Any:
    return tree_map(lambda value: value * factor, values)
