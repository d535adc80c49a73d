"""The costs of a Conv4: bytes, seconds, the gain from compiling, and which kind of layers is fastest."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from bench.networks.geometry import Geometry
from bench.networks.layers import KERNELS, STACKED
from bench.protocols.protocol import Training

# Rates of a meta-step that is not compiled: on two CPU cores, and replayed as a graph on an H200 (timed once,
# without a record: 9.0 ms for three seeds of omniglot-5w1s, 104 ms for one of miniimagenet-5w5s).
_OPERATIONS_A_SECOND = {"cpu": 30e9, "cuda": 2e12}
BLOCKS = (1, 2, 3, 4)
_FILTERS_OF_KERNELS = (16, 32, 64, 128)  # kernels take powers of two


@dataclass(frozen=True)
class Conv4Costs:
    """A Conv4 as its costs are estimated: by its shapes alone."""

    input_shape: tuple[int, int, int]
    training: Training
    layers: str = "vectorised"  # one of `bench.networks.layers.LAYERS`
    precision: str = "fp32"  # one of `bench.protocols.protocol.PRECISIONS`

    fills_a_cpu = True

    def compilation_seconds(self, device: str) -> float:
        """How long meta-step and evaluation are compiled: seen on two CPU cores (results/reference/speed); on CUDA read
        off the logs of one session, on an H200 with 16 cores, of which no record was kept."""
        return 150.0 if device == "cuda" else 400.0

    def saved_by_compiling(self, device: str) -> float:
        """The share of a meta-step that is not compiled, seen in the same places. On a CPU nothing where
        images are pooled first; of such networks on CUDA nothing is known."""
        if self._strided:
            return 0.66 if device == "cuda" else 0.5
        return 0.0

    @property
    def _strided(self) -> bool:
        return self.training.downsampling == "stride"

    def activation_bytes(self, images: int) -> int:
        """One copy of the activations of so many images."""
        height, width = self.input_shape[1:]
        first_layer = height * width // (4 if self._strided else 1)
        return 4 * images * self.training.filters * first_layer * 4 // 3

    def meta_step_seconds(self, support: int, query: int, device: str) -> float:
        """Roughly, eager, of so many images an episode: the products, an inner step of second order as nine passes."""
        passes = support * self.training.inner_steps * 9 + query * 3
        return self._operations * passes * self.training.meta_batch / _OPERATIONS_A_SECOND[device]

    @property
    def _operations(self) -> float:
        """The operations of the convolutions of one image, forward."""
        channels, size, total = self.input_shape[0], self.input_shape[1], 0.0
        for _ in BLOCKS:
            size = (size + 1) // 2 if self._strided else size
            total += 2 * 9 * channels * self.training.filters * size * size
            channels = self.training.filters
            size = size if self._strided else size // 2
        return total

    @property
    def may_stack(self) -> bool:
        """Whether there is an engine (`bench.networks.stacked`) for it: for the paper's blocks and images as they are,
        where batch norm has no scale, in full precision."""
        as_in_the_paper = self.training.blocks == "paper" and self.training.inputs == "unit"
        plain = not self._geometry.pools_same and not self.training.batch_norm_scale and self._has_relu
        return as_in_the_paper and plain and self.precision == "fp32"

    def takes_kernels(self, device: str) -> bool:
        """Whether an engine for it runs on kernels of a GPU (`bench.networks.stacked.triton_operations`)."""
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
        """Not where layers are rounded."""
        plain = self.training.downsampling == "max-pool" and not self._geometry.written_here and self._has_relu
        return plain and self.precision != "bf16"

    def fastest_layers(self, device: str, compiled: bool, alone: bool, stacks: bool = False) -> str:
        """What was fastest on two CPU cores, on both benchmarks; on CUDA, where native max-pooling has no
        deterministic backward, on an H200 (timed once, without a record): as a graph, three seeds of omniglot-5w1s
        took 9.0 ms a step with patches, 19.6 without. `alone`: one episode of one seed at a time; `stacks`: the method
        says in terms of an engine what it does. Kernels are estimated at 5.8 ms a step of miniimagenet-5w5s, where
        104 were measured; nobody has timed them."""
        if stacks and not compiled and self.takes_kernels(device):
            return next(iter(KERNELS))
        if compiled or device == "cuda":
            return "patches" if self._strided or (compiled and device == "cuda") else "masked"
        if stacks and self.may_stack and not self._strided:
            return STACKED
        if not alone:  # `vmap` lacks a part of the second derivative of torch's pooling at an odd size that was padded
            return "masked" if self._geometry.pools_same else "vectorised"
        return "pooled" if self._may_pool_first else "native"
