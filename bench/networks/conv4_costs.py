"""The costs of a Conv4: bytes, seconds, the gain from compiling, and which kind of layers is fastest."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from bench.networks.geometry import Geometry
from bench.networks.layers import KERNELS, STACKED
from bench.protocols.protocol import Training

# Rates of an uncompiled meta-step: on two CPU cores, and replayed as a CUDA graph on an H200 (timed once, without a
# record: 9.0 ms for three seeds of omniglot-5w1s, 104 ms for one of miniimagenet-5w5s).
_OPERATIONS_A_SECOND = {"cpu": 30e9, "cuda": 2e12}
BLOCKS = (1, 2, 3, 4)
_FILTERS_OF_KERNELS = (16, 32, 64, 128)  # kernels need powers of two


@dataclass(frozen=True)
class Conv4Costs:
    """Estimates the costs of a Conv4 from its shapes alone."""

    input_shape: tuple[int, int, int]
    training: Training
    layers: str = "vectorised"  # one of `bench.networks.layers.LAYERS`
    precision: str = "fp32"  # one of `bench.protocols.protocol.PRECISIONS`

    fills_a_cpu = True

    def compilation_seconds(self, device: str) -> float:
        """How long it takes to compile meta-step and evaluation: measured on two CPU cores (results/reference/speed);
        for CUDA taken from the logs of one session on an H200 with 16 cores, without a record."""
        return 150.0 if device == "cuda" else 400.0

    def saved_by_compiling(self, device: str) -> float:
        """The share of an uncompiled meta-step's time that compiling saves, measured in the same way. Nothing on a CPU
        if images are pooled; for such networks nothing is known on CUDA."""
        if self._strided:
            return 0.66 if device == "cuda" else 0.5
        return 0.0

    @property
    def _strided(self) -> bool:
        return self.training.downsampling == "stride"

    def activation_bytes(self, images: int) -> int:
        """The bytes of one copy of the activations of this many images."""
        height, width = self.input_shape[1:]
        first_layer = height * width // (4 if self._strided else 1)
        return 4 * images * self.training.filters * first_layer * 4 // 3

    def meta_step_seconds(self, support: int, query: int, device: str) -> float:
        """Roughly the seconds of an uncompiled meta-step with this many images per episode, from its products; a
        second-order inner step counts as nine forward passes."""
        passes = support * self.training.inner_steps * 9 + query * 3
        return self._operations * passes * self.training.meta_batch / _OPERATIONS_A_SECOND[device]

    @property
    def _operations(self) -> float:
        """The floating-point operations of the convolutions for one image, forward."""
        channels, size, total = self.input_shape[0], self.input_shape[1], 0.0
        for _ in BLOCKS:
            size = (size + 1) // 2 if self._strided else size
            total += 2 * 9 * channels * self.training.filters * size * size
            channels = self.training.filters
            size = size if self._strided else size // 2
        return total

    @property
    def may_stack(self) -> bool:
        """Whether there is an engine (`bench.networks.stacked`) for this network: only for the paper's blocks and
        unchanged inputs, with batch norm without a scale, in full precision."""
        as_in_the_paper = self.training.blocks == "paper" and self.training.inputs == "unit"
        plain = not self._geometry.pools_same and not self.training.batch_norm_scale and self._has_relu
        return as_in_the_paper and plain and self.precision == "fp32"

    def takes_kernels(self, device: str) -> bool:
        """Whether the engine for this network runs on GPU kernels (`bench.networks.stacked.triton_operations`)."""
        there = self.training.filters in _FILTERS_OF_KERNELS and not self._strided and find_spec("triton") is not None
        return device == "cuda" and self.may_stack and there

    @property
    def _geometry(self) -> Geometry:
        return Geometry(self.training.blocks, self._strided, self.training.downsampling == "max-pool-same")

    @property
    def _has_relu(self) -> bool:
        return self.training.activation == "relu"

    @property
    def _may_pool_first(self) -> bool:
        """Whether a block may pool before it normalises; not if layers are rounded to bfloat16."""
        plain = self.training.downsampling == "max-pool" and not self._geometry.written_here and self._has_relu
        return plain and self.precision != "bf16"

    def fastest_layers(self, device: str, compiled: bool, alone: bool, stacks: bool = False) -> str:
        """The layers that were fastest on two CPU cores, on both benchmarks; on CUDA, where torch's max-pooling has no
        deterministic backward, on an H200 (timed once, without a record): as a graph, three seeds of omniglot-5w1s took
        9.0 ms a step with patches and 19.6 ms without. `alone`: one episode of one seed at a time; `stacks`: the method
        can run on an engine. Kernels are estimated at 5.8 ms a step of miniimagenet-5w5s, where 104 ms were measured
        without them; nobody has timed them."""
        if stacks and not compiled and self.takes_kernels(device):
            return next(iter(KERNELS))
        if compiled or device == "cuda":
            return "patches" if self._strided or (compiled and device == "cuda") else "masked"
        if stacks and self.may_stack and not self._strided:
            return STACKED
        if not alone:  # under `vmap`, torch's padded pooling of odd sizes lacks part of its second derivative
            return "masked" if self._geometry.pools_same else "vectorised"
        return "pooled" if self._may_pool_first else "native"
