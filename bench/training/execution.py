"""How a step runs, for every method alike: vectorised over episodes and seeds, in chunks that bound the memory, and
compiled where that pays.

Nothing here moves a number beyond rounding; what ran is recorded, and bits are promised for equal execution.
"""

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
from bench.networks.stacked.engine import Engine
from bench.training.initial import in_turn_of
from methods.contract import Episode, Method, Params, Setting, Setup, State

EAGER, COMPILED, GRAPH, COMPILED_GRAPH = "eager", "compiled", "graph", "compiled-graph"
MODES = (EAGER, COMPILED, GRAPH, COMPILED_GRAPH)
# What the inner steps of a chunk may keep for their way back (`bench.networks.stacked`); beyond it they are done again.
_KEPT_BYTES = {"cpu": 512 * 2**20, "cuda": 8 * 2**30}
_ALONE = f"layers {' and '.join(ALONE)} compute one episode at a time"


@dataclass(frozen=True)
class Execution:
    """Where and how: recorded with every run. `chunk` episodes (of each seed) go through at once."""

    device: torch.device
    chunk: int
    mode: str = EAGER
    layers: str = "vectorised"  # one of `bench.networks.layers.LAYERS`
    precision: str = "fp32"  # one of `bench.protocols.protocol.PRECISIONS`

    @property
    def compiled(self) -> bool:
        """Whether steps go through torch.compile."""
        return self.mode in (COMPILED, COMPILED_GRAPH)

    @property
    def graph(self) -> bool:
        """Whether a meta-step is captured as a CUDA graph and replayed."""
        return self.mode in (GRAPH, COMPILED_GRAPH)

    @property
    def on_kernels(self) -> bool:
        """Whether layers are kernels of a GPU, beside which every launch counts."""
        return self.layers in KERNELS

    def loss_and_gradient(
        self, method: Method, state: State, batch: Any, gathered: Callable[[Any], Any] = lambda chunk: chunk
    ) -> tuple[Tensor, Params, Params]:
        """A meta-step's mean loss, its gradient, and the new carried state, everything with a leading [seeds].

        `gathered` makes of a chunk of `batch` what the method is fed with, so that a batch of indices never stands
        as images in the memory whole."""
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
        """Outputs [episodes, inner steps + 1, query images, ways]. The method is not handed the query's labels."""
        assert self.layers not in ALONE or self.chunk == 1, _ALONE
        handed = (*batch[:3], *batch[4:])
        step, chosen = self._predicted_chunk(method, len(handed)), _tensors(setting, self.device)
        outputs = []
        for parts in zip(*(tensor.split(self.chunk) for tensor in handed), strict=True):
            count = len(parts[0])
            if self.compiled:
                # For one shape and one layout: the last chunk is filled up with its last episode, and all are copied,
                # because of a batch of one episode and a part of a longer one the strides differ.
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
            return partial(stacked.summed, method, self._engine(method))
        return _summed_chunk(method, self.compiled)

    def _predicted_chunk(self, method: Method, handed: int) -> Callable[..., Tensor]:
        if not (self._stacked_layers(method) and stacked.predicts(type(method), _setup(method).evaluation)):
            return _predicted_chunk(method, self.compiled, handed)
        engine = self._engine(method)
        return lambda state, *rest: stacked.predicted(method, engine, state, rest[:-1], rest[-1])

    def _stacks_gradient(self, method: Method) -> bool:
        return self._stacked_layers(method) and stacked.says(type(method), stacked.GRADIENT)

    def _stacked_layers(self, method: Method) -> bool:
        return self.layers in WITHOUT_AUTOGRAD and bool(_setup(method).network.may_stack)

    def _engine(self, method: Method) -> Engine:
        return _setup(method).network.engine(_KEPT_BYTES[self.device.type])


def _tensors(setting: Setting, device: torch.device) -> Setting:
    """Numbers as tensors, so that what is compiled is compiled once for all of them; words stay."""
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
        return tree_map(lambda value: value.sum(0), _mapped(one, (None, 0))(state, batch))

    return _maybe_compiled(_mapped(of_seed, (0, 0)), compiled)


@cache
def _whole(method: Method, compiled: bool) -> Callable[[State, Any], Any]:
    """(state [seeds, ...], images [seeds, images, ...]) -> their mean loss, its gradient, and the carried state."""
    return _maybe_compiled(_mapped(method.loss_and_gradient, (0, 0)), compiled)


@cache
def _predicted_chunk(method: Method, compiled: bool, handed: int) -> Callable[..., Tensor]:
    """(state, support, labels, query [episodes, ...] and, where so many are `handed`, minibatches, setting) -> outputs
    [episodes, ...]."""

    predict: Callable[..., Tensor] = method.predict

    def one(state: State, *rest: Any) -> Tensor:
        *episode, setting = rest
        return predict(state, *episode[:3], setting, *episode[3:])

    return _maybe_compiled(_mapped(one, (None, *(0,) * handed, None)), compiled)


def _mapped(function: Callable[..., Any], dims: tuple[int | None, ...]) -> Callable[..., Any]:
    """`vmap` over the leading dimension of the arguments that have a 0 in `dims`; one alone goes through without it,
    because plain convolutions are faster than those of `vmap`."""

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
    # Each method, shape and split is a function of its own to us, and one more variant of the same code to the
    # compiler, which by default gives up after eight.
    torch._dynamo.config.recompile_limit = 256
    torch._dynamo.config.accumulated_recompile_limit = 4096
    return torch.compile(function, dynamic=False, fullgraph=True)


def _setup(method: Any) -> Setup:
    """What a method was built from, which all that say how they use the engine keep."""
    found: Setup = method.setup
    return found
