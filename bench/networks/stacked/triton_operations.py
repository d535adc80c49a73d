"""The engine's operations on Triton kernels: for CUDA. Every sum is taken in a fixed order, without atomics, so that
equal inputs give equal bits."""

from __future__ import annotations

from functools import cached_property

from bench.networks.stacked.triton_first import First
from bench.networks.stacked.triton_head import Heads
from bench.networks.stacked.triton_passes import Passes


class TritonOperations(First, Passes):
    """All of them; equal to `bench.networks.stacked.torch_operations` beyond rounding."""

    @cached_property
    def head(self) -> Heads:
        """Functions of the head."""
        return Heads(self.products, self.tiles, self.programs)
