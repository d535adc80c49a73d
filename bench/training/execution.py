"""How a step is executed, the same for every method: vectorised over episodes and seeds, in chunks that bound the
memory, and compiled if that saves time.

None of this changes a result beyond rounding. The execution is recorded; equal bits are promised for equal
execution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.func import vmap
from torch.utils._pytree import tree_map

from bench import devices
from bench.networks.layers import ALONE, KERNELS, WITHOUT_AUTOGRAD
from bench.networks.stacked import step as stacked
from bench.networks.stacked.engine import StackedEngine
from bench.training.initial import in_turn_of
from methods.contract import Episode, Method, Params, Setting, Setup, State

EAGER, COMPILED, GRAPH, COMPILED_GRAPH = "eager", "compiled", "graph", "compiled-graph"
MODES = (EAGER, COMPILED, GRAPH, COMPILED_GRAPH)
# Memory for what the inner steps of a chunk keep for the backward pass (`bench.networks.stacked`); beyond it they are
# recomputed.
_KEPT_BYTES = {"cpu": 512 * 2**20, "cuda": 8 * 2**30}
_ALONE = f"layers {' and '.join(ALONE)} compute one episode at a time"


@dataclass(frozen=True)
class Execution:
    """How and where steps are executed; recorded with every run. `chunk`: the number of episodes (of each seed)
    computed at once."""

    device: torch.device
    chunk: int
    mode: str = EAGER
    layers: str = "vectorised"  # one of `bench.networks.layers.LAYERS`
    precision: str = "fp32"  # one of `bench.protocols.protocol.PRECISIONS`

    @property
    def compiled(self) -> bool:
        """Whether steps are compiled by torch.compile."""
        return self.mode in (COMPILED, COMPILED_GRAPH)

    @property
    def graph(self) -> bool:
        """Whether a meta-step is captured as a CUDA graph and replayed."""
        return self.mode in (GRAPH, COMPILED_GRAPH)

    @property
    def on_kernels(self) -> bool:
        """Whether the layers are GPU kernels, so fast that every launch counts."""
        return self.layers in KERNELS

    def loss_and_gradient(
        self, method: Method, state: State, batch: Any, gathered: Callable[[Any], Any] = lambda chunk: chunk
    ) -> tuple[Tensor, Params, Params]:
        """A meta-step's mean loss, its gradient, and the new carried state, all with a leading dimension [seeds].

        `gathered` turns a chunk of `batch` into what the method receives, so that a batch of indices is never in memory
        as images all at once."""
        assert self.layers not in ALONE or self.chunk == len(batch[0]) == 1, _ALONE
        with devices.tf32(self.precision == "tf32"):
            if method.training_batch == "images":
                return self._whole(method)(state, gathered(batch))
            step, total, in_turn = self._summed_chunk(method), None, in_turn_of(method)
            assert not in_turn or self.chunk == 1, "one episode after another"
            for parts in zip(*(tensor.split(self.chunk, dim=1) for tensor in batch), strict=True):
                *found, carried = step(state, gathered(type(batch)(*parts)))
                if in_turn:
                    state = State(state.params, carried)
                else:
                    found.append(carried)
                total = found if total is None else tree_map(torch.add, total, found)
        mean = tree_map(lambda value: value / batch[0].shape[1], total)
        return (*mean, state.carried) if in_turn else tuple(mean)

    def predict(self, method: Method, state: State, batch: Episode, setting: Setting) -> Tensor:
        """Outputs [episodes, inner steps + 1, query images, ways]. The method never receives the query labels."""
        assert self.layers not in ALONE or self.chunk == 1, _ALONE
        handed = (*batch[:3], *batch[4:])
        step, chosen = self._predicted_chunk(method, len(handed)), _tensors(setting, self.device)
        outputs = []
        for parts in zip(*(tensor.split(self.chunk) for tensor in handed), strict=True):
            count = len(parts[0])
            if self.compiled:
                # Compiled for one shape and one layout: the last chunk is padded with its last episode, and all chunks
                # are copied, because a slice has other strides than a batch of its own.
                fill = self.chunk - count
                parts = tuple(torch.cat([part, part[-1:].expand(fill, *part.shape[1:])]) for part in parts)
            with devices.tf32(self.precision == "tf32"):
                outputs.append(step(state, *parts, chosen)[:count])
        return torch.cat(outputs)

    def _whole(self, method: Method) -> Callable[[State, Any], Any]:
        if self._stacks_gradient(method):
            return partial(stacked.of_images, method, self._engine(method))
        return _whole(method, self.compiled)

    def _summed_chunk(self, method: Method) -> Callable[[State, Episode], Any]:
        if self._stacks_gradient(method):
            return partial(stacked.sum_gradients, method, self._engine(method))
        return _summed_chunk(method, self.compiled)

    def _predicted_chunk(self, method: Method, handed: int) -> Callable[..., Tensor]:
        if not (self._stacked_layers(method) and stacked.predicts(type(method), _setup(method).evaluation)):
            return _predicted_chunk(method, self.compiled, handed)
        engine = self._engine(method)
        return lambda state, *rest: stacked.predict(method, engine, state, rest[:-1], rest[-1])

    def _stacks_gradient(self, method: Method) -> bool:
        return self._stacked_layers(method) and stacked.says(type(method), stacked.GRADIENT)

    def _stacked_layers(self, method: Method) -> bool:
        return self.layers in WITHOUT_AUTOGRAD and bool(_setup(method).network.may_stack)

    def _engine(self, method: Method) -> StackedEngine:
        return _setup(method).network.engine(_KEPT_BYTES[self.device.type])


def _tensors(setting: Setting, device: torch.device) -> Setting:
    """Numbers as tensors, so that compiled code serves all values; strings stay as they are."""
    return {
        name: value if isinstance(value, str) else torch.as_tensor(value, dtype=torch.float32, device=device)
        for name, value in setting.items()
    }


@cache
def _summed_chunk(method: Method, compiled: bool) -> Callable[[State, Episode], Any]:
    """(state [seeds, ...], episodes [seeds, episodes, ...]) -> sums over the episodes, [seeds, ...]."""

    def one(state: State, batch: Episode) -> tuple[Tensor, Params, Params]:
        return method.loss_and_gradient(state, batch)

    def of_seed(state: State, batch: Episode) -> Any:
        return tree_map(lambda value: value.sum(0), _map(one, (None, 0))(state, batch))

    return _maybe_compiled(_map(of_seed, (0, 0)), compiled)


@cache
def _whole(method: Method, compiled: bool) -> Callable[[State, Any], Any]:
    """(state [seeds, ...], images [seeds, images, ...]) -> their mean loss, its gradient, and the carried state."""
    return _maybe_compiled(_map(method.loss_and_gradient, (0, 0)), compiled)


@cache
def _predicted_chunk(method: Method, compiled: bool, handed: int) -> Callable[..., Tensor]:
    """A function of (state, support, labels, query, [minibatches,] setting) that returns outputs. All arguments but the
    first and last are [episodes, ...], and `handed` is their number: minibatches are present if it is 4."""
    predict: Callable[..., Tensor] = method.predict

    def one(state: State, *rest: Any) -> Tensor:
        *episode, setting = rest
        return predict(state, *episode[:3], setting, *episode[3:])

    return _maybe_compiled(_map(one, (None, *(0,) * handed, None)), compiled)


def _map(function: Callable[..., Any], dims: tuple[int | None, ...]) -> Callable[..., Any]:
    """`vmap` over the leading dimension of the arguments that have a 0 in `dims`. A dimension of size one is removed
    instead, because plain convolutions are faster than those of `vmap`."""

    def mapped(*arguments: Any) -> Any:
        count = next(
            len(leaf)
            for argument, dim in zip(arguments, dims, strict=True)
            if dim == 0
            for leaf in torch.utils._pytree.tree_leaves(argument)
        )
        if count > 1:
            return vmap(function, in_dims=dims)(*arguments)
        alone = [a if dim is None else tree_map(lambda t: t[0], a) for a, dim in zip(arguments, dims, strict=True)]
        return tree_map(lambda value: value[None], function(*alone))

    return mapped


def _maybe_compiled(function: Callable[..., Any], compiled: bool) -> Callable[..., Any]:
    if not compiled:
        return function
    # Each method, shape and split makes its own function here, but for the compiler they are variants of the same code,
    # and by default it gives up after eight.
    torch._dynamo.config.recompile_limit = 256
    torch._dynamo.config.accumulated_recompile_limit = 4096
    return torch.compile(function, dynamic=False, fullgraph=True)


def _setup(method: Any) -> Setup:
    """What a method was built from; every method that can use the engine keeps it as `setup`."""
    found: Setup = method.setup
    return found
