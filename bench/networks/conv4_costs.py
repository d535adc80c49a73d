"""What a Conv4 costs: bytes, seconds, and what compiling saves."""

from __future__ import annotations

from dataclasses import dataclass

from bench.protocols.protocol import Training

# Rates of a meta-step that is not compiled: on two CPU cores, and replayed as a graph on an H200 (timed once,
# without a record: 9.0 ms for three seeds of omniglot-5w1s, 104 ms for one of miniimagenet-5w5s).
_OPERATIONS_A_SECOND = {"cpu": 30e9, "cuda": 2e12}
BLOCKS = (1, 2, 3, 4)


@dataclass(frozen=True)
class Conv4Costs:
    """A Conv4 as its costs are estimated: by its shapes alone."""

    input_shape: tuple[int, int, int]
    training: Training
    layers: str = "vectorised"  # one of `bench.networks.layers.LAYERS`
    precision: str = "fp32"  # one of `bench.protocols.protocol.PRECISIONS`

    fills_a_cpu = True

    def compilation_seconds(self, device: str) -> float:
        """Of meta-step and evaluation: seen on two CPU cores (results/reference/speed); on CUDA read off the logs of
        one session, on an H200 with 16 cores, of which no record was kept."""
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
        """Of the convolutions of one image, forward."""
        channels, size, total = self.input_shape[0], self.input_shape[1], 0.0
        for _ in BLOCKS:
            size = (size + 1) // 2 if self._strided else size
            total += 2 * 9 * channels * self.training.filters * size * size
            channels = self.training.filters
            size = size if self._strided else size // 2
        return total
