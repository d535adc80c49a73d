"""How a step runs, for every method alike: vectorised over episodes and seeds, in chunks that bound the memory, and
compiled where that pays.

Nothing here moves a number beyond rounding; what ran is recorded, and bits are promised for equal execution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.func import vmap
from torch.utils._pytree import tree_map

from bench import environment
from bench.benchmarks import Benchmark
from bench.errors import UserError, unknown
from bench.layers import ALONE
from bench.networks import network
from bench.protocol import Training
from methods.contract import Episode, Method, Params, Setting, State

EAGER, COMPILED, GRAPH, COMPILED_GRAPH = "eager", "compiled", "graph", "compiled-graph"
MODES = (EAGER, COMPILED, GRAPH, COMPILED_GRAPH)

# One copy of all activations of a chunk. Beyond the caches of a CPU a chunk is slower than its episodes one by one, and
# beyond what fills a GPU too: two episodes of miniimagenet-5w5s at once took an H200 131 ms, one by one 104 (timed
# once, without a record).
_CHUNK_BYTES = {"cpu": 32 * 2**20, "cuda": 128 * 2**20}
_ALONE = f"layers {' and '.join(ALONE)} are for one episode at a time"

Result = TypeVar("Result")


@dataclass(frozen=True)
class Execution:
    """Where and how: recorded with every run. `chunk` episodes (of each seed) go through at once."""

    device: torch.device
    chunk: int
    mode: str = EAGER
    layers: str = "vectorised"  # one of `bench.layers.LAYERS`
    precision: str = "fp32"  # one of `bench.protocol.PRECISIONS`

    @property
    def compiled(self) -> bool:
        """Whether steps go through torch.compile."""
        return self.mode in (COMPILED, COMPILED_GRAPH)

    @property
    def graph(self) -> bool:
        """Whether a meta-step is captured as a CUDA graph and replayed."""
        return self.mode in (GRAPH, COMPILED_GRAPH)

    def loss_and_gradient(
        self, method: Method, state: State, batch: Any, gathered: Callable[[Any], Any] = lambda chunk: chunk
    ) -> tuple[Tensor, Params, Params]:
        """A meta-step's mean loss, its gradient, and the new carried state, everything with a leading [seeds].

        `gathered` makes of a chunk of `batch` what the method is fed with, so that a batch of indices never stands
        as images in the memory whole."""
        assert self.layers not in ALONE or self.chunk == len(batch[0]) == 1, (
            f"{self.layers} layers are for one episode at a time"
        )
        with environment.tf32(self.precision == "tf32"):
            if method.training_batch == "images":
                return _whole(method, self.compiled)(state, gathered(batch))
            step, total = _summed_chunk(method, self.compiled), None
            for parts in zip(*(tensor.split(self.chunk, dim=1) for tensor in batch), strict=True):
                summed = step(state, gathered(type(batch)(*parts)))
                total = summed if total is None else tree_map(torch.add, total, summed)
        return tree_map(lambda value: value / batch[0].shape[1], total)

    def predict(self, method: Method, state: State, batch: Episode, setting: Setting) -> Tensor:
        """Outputs [episodes, inner steps + 1, query images, ways]. The method is not handed the query's labels."""
        assert self.layers not in ALONE or self.chunk == 1, _ALONE
        step, chosen = _predicted_chunk(method, self.compiled), _tensors(setting, self.device)
        outputs = []
        for parts in zip(*(tensor.split(self.chunk) for tensor in batch[:3]), strict=True):
            count = len(parts[0])
            if self.compiled:
                # For one shape and one layout: the last chunk is filled up with its last episode, and all are copied,
                # because of a batch of one episode and a part of a longer one the strides differ.
                fill = self.chunk - count
                parts = [torch.cat([part, part[-1:].expand(fill, *part.shape[1:])]) for part in parts]
            with environment.tf32(self.precision == "tf32"):
                outputs.append(step(state, *parts, chosen)[:count])
        return torch.cat(outputs)


def choose(
    benchmark: Benchmark,
    training: Training,
    device: torch.device,
    chunk: int,
    seeds: int,
    mode: str | None,
    precision: str = "fp32",
) -> tuple[Execution, ...]:
    """How steps run and, each simpler than the one before, what is left where that cannot. `mode` None: chosen from
    the whole run, so that a resumed one stays in its mode. Raises UserError on an unknown mode, or where the device
    has no such mode or precision."""
    preferred = mode or _mode(benchmark, training, device)
    if preferred not in MODES:
        raise unknown("mode", preferred, MODES)
    if preferred in (GRAPH, COMPILED_GRAPH) and device.type != "cuda":
        raise UserError(f"--mode {preferred}: CUDA graphs need --device cuda")
    if precision == "tf32" and not environment.has_tf32(device):
        raise UserError(f"precision=tf32: {device} has no TF32, NVIDIA's GPUs have from Ampere on; bf16 runs anywhere")
    simpler = {COMPILED_GRAPH: (COMPILED_GRAPH, GRAPH, EAGER), COMPILED: (COMPILED, EAGER), GRAPH: (GRAPH, EAGER)}
    made = [Execution(device, chunk, each, precision=precision) for each in simpler.get(preferred, (EAGER,))]
    fastest, alone = network(benchmark, training, precision=precision).fastest_layers, chunk == seeds == 1
    return tuple(replace(each, layers=fastest(device.type, each.compiled, alone)) for each in made)


def chunk_size(
    benchmark: Benchmark, training: Training, queries: int, count: int, device: torch.device, seeds: int = 1
) -> int:
    """Episodes at once, so that one copy of their activations stays within bounds: at least one, and a divisor of
    `count`, because every other size would be compiled as well."""
    most = _chunk_bytes(device) // (seeds * _episode_bytes(benchmark, training, queries))
    return max(size for size in range(1, count + 1) if count % size == 0 and size <= max(1, most))


def seeds_at_once(benchmark: Benchmark, training: Training, device: torch.device) -> int:
    """How many seeds to train together: as many as fit an episode of each, but where one fills a CPU."""
    if device.type == "cpu" and network(benchmark, training).fills_a_cpu:
        return 1
    return max(1, _chunk_bytes(device) // _episode_bytes(benchmark, training, training.queries))


def _episode_bytes(benchmark: Benchmark, training: Training, queries: int) -> int:
    """One copy of an episode's activations."""
    return network(benchmark, training).activation_bytes(benchmark.ways * max(benchmark.shots, queries))


def smaller(training_chunk: int, evaluation_chunk: int) -> int:
    """The next smaller chunk, for both, on a machine that ran out of memory: half of the training's, or one. Raises
    UserError where there is none."""
    if training_chunk == evaluation_chunk == 1:
        raise UserError(
            "out of memory with one episode at a time: train fewer seeds together (--together 1), take another device "
            "or a benchmark with smaller images"
        )
    return max(1, training_chunk // 2)


# CUDA has an error of its own; torch's allocator on a CPU has only a message, and oneDNN's says no more than this.
_SHORTAGES = ("can't allocate memory", "could not create a primitive", "bad_alloc")


def out_of_memory(error: BaseException) -> bool:
    """Whether that is what went wrong."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(text in str(error) for text in _SHORTAGES)


def first_that_runs(
    executions: Sequence[Execution], attempt: Callable[[Execution], Result], say: Callable[[str], None]
) -> Result:
    """The result of the first attempt that goes through; `say` is told of each that did not."""
    for execution in executions[:-1]:
        try:
            return attempt(execution)
        except UserError:
            raise
        except Exception as error:  # whatever a compiler or a driver throws
            if out_of_memory(error):
                raise
            reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
            say(f"mode {execution.mode} does not run here, going on without it: {reason[:200]}")
    return attempt(executions[-1])


def _mode(benchmark: Benchmark, training: Training, device: torch.device) -> str:
    """Compiled where the whole training is long enough to win the compilation back; never where it was elsewhere."""
    if training.origin is not None:
        return EAGER
    used = network(benchmark, training)
    saved = training_seconds(benchmark, training, device) * used.saved_by_compiling(device.type)
    pays = saved > used.compilation_seconds(device.type)
    if device.type == "cuda":
        return COMPILED_GRAPH if pays else GRAPH
    return COMPILED if pays else EAGER


def training_seconds(benchmark: Benchmark, training: Training, device: torch.device) -> float:
    """Roughly, of all meta-steps of one training, eager."""
    used, ways = network(benchmark, training), benchmark.ways
    step = used.meta_step_seconds(ways * benchmark.shots, ways * training.queries, device.type)
    return training.iterations * step


def _chunk_bytes(device: torch.device) -> int:
    if device.type == "cpu":
        return _CHUNK_BYTES["cpu"]
    # A meta-step holds some twenty such copies.
    return min(_CHUNK_BYTES["cuda"], torch.cuda.get_device_properties(device).total_memory // 40)


def _tensors(setting: Setting, device: torch.device) -> Setting:
    """As tensors, so that what is compiled is compiled once for all settings."""
    return {name: torch.as_tensor(value, dtype=torch.float32, device=device) for name, value in setting.items()}


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
def _predicted_chunk(method: Method, compiled: bool) -> Callable[..., Tensor]:
    """(state, support, labels, query [episodes, ...], setting) -> outputs [episodes, ...]."""
    return _maybe_compiled(_mapped(method.predict, (None, 0, 0, 0, None)), compiled)


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
