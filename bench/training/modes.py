"""Chooses how steps are executed on a device: compiled or not, in which chunks, and with how many seeds at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

import torch

from bench import devices
from bench.errors import UserError, reason, unknown_name
from bench.protocols.benchmarks import Benchmark
from bench.protocols.protocol import Training
from bench.training.compiling import CompilationSkipped
from bench.training.execution import COMPILED, COMPILED_GRAPH, EAGER, GRAPH, MODES, Execution
from bench.training.watch import Listener, Said

# The largest size of one copy of a chunk's activations. A chunk that exceeds the caches of a CPU, or more than fills a
# GPU, is slower than its episodes one by one: on an H200, two episodes of miniimagenet-5w5s took 131 ms at once and
# 104 ms one by one (timed once, without a record).
_CHUNK_BYTES = {"cpu": 32 * 2**20, "cuda": 128 * 2**20, "kernels": 256 * 2**20}

Result = TypeVar("Result")


class Costs(Protocol):
    """What a network knows about its own costs, on a device `cpu` or `cuda`."""

    @property
    def training(self) -> Training: ...
    @property
    def precision(self) -> str: ...
    @property
    def fills_a_cpu(self) -> bool: ...
    def takes_kernels(self, device: str) -> bool: ...
    def activation_bytes(self, inputs: int, /) -> int: ...
    def meta_step_seconds(self, support: int, query: int, device: str) -> float: ...
    def compilation_seconds(self, device: str) -> float: ...
    def saved_by_compiling(self, device: str) -> float: ...
    def fastest_layers(self, device: str, compiled: bool, alone: bool, stacks: bool) -> str: ...


def choose(
    network: Costs,
    benchmark: Benchmark,
    device: torch.device,
    chunk: int,
    seeds: int,
    mode: str | None,
    stacks: bool = False,
) -> tuple[Execution, ...]:
    """The execution to use, followed by simpler ones to fall back to. `mode` None: chosen for the length of the whole
    run, so that a resumed run keeps its mode. `stacks`: whether the method can run on the stacked engine. Raises
    UserError for an unknown mode, or if the device lacks the mode or the precision."""
    preferred = mode or _mode(network, benchmark, device)
    if preferred not in MODES:
        raise unknown_name("mode", preferred, MODES)
    if preferred in (GRAPH, COMPILED_GRAPH) and device.type != "cuda":
        raise UserError(f"--mode {preferred} uses CUDA graphs, which need --device cuda")
    if network.precision == "tf32" and not devices.has_tf32(device):
        raise UserError(
            f"precision=tf32: {device} has no TF32 (NVIDIA GPUs have it from Ampere on); bf16 runs anywhere"
        )
    simpler = {COMPILED_GRAPH: (COMPILED_GRAPH, GRAPH, EAGER), COMPILED: (COMPILED, EAGER), GRAPH: (GRAPH, EAGER)}
    made = [Execution(device, chunk, each, precision=network.precision) for each in simpler.get(preferred, (EAGER,))]
    fastest, alone = network.fastest_layers, chunk == seeds == 1
    return tuple(replace(each, layers=fastest(device.type, each.compiled, alone, stacks)) for each in made)


def chunk_size(
    network: Costs,
    benchmark: Benchmark,
    queries: int,
    count: int,
    device: torch.device,
    seeds: int = 1,
    stacks: bool = False,
) -> int:
    """The number of episodes to compute at once, so that one copy of their activations stays within bounds: at least
    one, and a divisor of `count`, because any other size would have to be compiled as well. `stacks`: whether the
    method can run on the stacked engine, which has other bounds on GPU kernels."""
    kernels = stacks and network.takes_kernels(device.type)
    most = _chunk_bytes(device, kernels) // (seeds * _episode_bytes(network, benchmark, queries))
    return max(size for size in range(1, count + 1) if count % size == 0 and size <= max(1, most))


def seeds_at_once(network: Costs, benchmark: Benchmark, device: torch.device) -> int:
    """How many seeds to train together: as many as fit with one episode each; a single one if it fills a CPU."""
    if device.type == "cpu" and network.fills_a_cpu:
        return 1
    return max(1, _chunk_bytes(device) // _episode_bytes(network, benchmark, network.training.queries))


def _episode_bytes(network: Costs, benchmark: Benchmark, queries: int) -> int:
    """The size of one copy of an episode's activations."""
    return network.activation_bytes(benchmark.ways * max(benchmark.shots, queries))


def smaller(training_chunk: int, evaluation_chunk: int) -> int:
    """The next smaller chunk for training and evaluation after memory ran out: half of the training's chunk, at least
    one. Raises UserError if there is none."""
    if training_chunk == evaluation_chunk == 1:
        raise UserError(
            "out of memory with one episode at a time: train fewer seeds together (--together 1), take another device "
            "or a benchmark with smaller images"
        )
    return max(1, training_chunk // 2)


# CUDA has its own exception; on a CPU only the messages of torch's allocator and of oneDNN tell.
_SHORTAGES = ("can't allocate memory", "could not create a primitive", "bad_alloc")


def out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(text in str(error) for text in _SHORTAGES)


def first_that_runs(
    executions: Sequence[Execution], attempt: Callable[[Execution], Result], on_event: Listener
) -> Result:
    """The result of the first execution that works; `on_event` gets a message for each that did not."""
    for execution in executions[:-1]:
        try:
            return attempt(execution)
        except UserError:
            raise
        except CompilationSkipped as skipped:
            on_event(Said(f"continuing without mode {execution.mode}: {skipped}"))
        except Exception as error:  # a compiler or a driver may throw anything
            if out_of_memory(error):
                raise
            on_event(Said(f"mode {execution.mode} does not run here, continuing without it: {reason(error)}"))
    return attempt(executions[-1])


def _mode(network: Costs, benchmark: Benchmark, device: torch.device) -> str:
    """Compiled if the whole training is long enough to pay for the compilation; never if it was trained elsewhere."""
    if network.training.origin is not None:
        return EAGER
    saved = training_seconds(network, benchmark, device) * network.saved_by_compiling(device.type)
    pays = saved > network.compilation_seconds(device.type)
    if device.type == "cuda":
        return COMPILED_GRAPH if pays else GRAPH
    return COMPILED if pays else EAGER


def training_seconds(network: Costs, benchmark: Benchmark, device: torch.device) -> float:
    """Roughly how long all meta-steps of one training take, uncompiled."""
    ways, training = benchmark.ways, network.training
    step = network.meta_step_seconds(ways * benchmark.shots, ways * training.queries, device.type)
    return training.iterations * step


def _chunk_bytes(device: torch.device, kernels: bool = False) -> int:
    if device.type == "cpu":
        return _CHUNK_BYTES["cpu"]
    # A meta-step holds about twenty such copies.
    return min(
        _CHUNK_BYTES["kernels" if kernels else "cuda"], torch.cuda.get_device_properties(device).total_memory // 40
    )
