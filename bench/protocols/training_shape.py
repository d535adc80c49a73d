"""Ways and shots of training episodes that are those of a benchmark: as numbers, or left to it."""

from __future__ import annotations

from dataclasses import replace

from bench.protocols.benchmarks import Benchmark
from bench.protocols.protocol import Protocol


def with_shape_of(benchmark: Benchmark, protocol: Protocol) -> Protocol:
    """The protocol, with the benchmark's ways and shots where its training has none of its own."""
    training = protocol.training
    shape = benchmark.with_shape(training.ways, training.shots)
    return replace(protocol, training=replace(training, ways=shape.ways, shots=shape.shots))


def without_shape_of(benchmark: Benchmark, protocol: Protocol) -> Protocol:
    """The protocol, with ways and shots of training only where they differ from the benchmark's."""
    training = protocol.training
    ways = None if training.ways == benchmark.ways else training.ways
    shots = None if training.shots == benchmark.shots else training.shots
    return replace(protocol, training=replace(training, ways=ways, shots=shots))
