"""The network of a benchmark: Conv4 for images, an MLP for functions."""

from __future__ import annotations

from bench.networks.conv4 import Conv4
from bench.networks.mlp import Mlp
from bench.protocols.benchmarks import FUNCTIONS, Benchmark
from bench.protocols.protocol import Training

Network = Conv4 | Mlp


def network(
    benchmark: Benchmark, training: Training, layers: str = "vectorised", given: int = 0, precision: str = "fp32"
) -> Network:
    """The benchmark's network under this protocol; `given` more numbers stand beside every input."""
    if benchmark.form == FUNCTIONS:
        return Mlp(benchmark.input_shape[0] + given, training, precision)
    return conv4(benchmark, training, layers, precision)


def conv4(benchmark: Benchmark, training: Training, layers: str = "vectorised", precision: str = "fp32") -> Conv4:
    """The network of a benchmark of images."""
    channels, height, width = benchmark.input_shape
    return Conv4((channels, height, width), training, layers, precision)
