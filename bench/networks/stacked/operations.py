"""Which operations an engine takes: by the name of the layers that an execution has (`bench.networks.layers`)."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Any

from bench.networks.layers import KERNELS
from bench.networks.stacked import torch_operations

_FILTERS = (16, 32, 64, 128)  # kernels take powers of two


@cache
def operations(layers: str) -> Any:
    """Triton's kernels with products of this precision, or torch's own. Triton is imported where it is used."""
    if layers not in KERNELS:
        return torch_operations
    from bench.networks.stacked.triton_operations import TritonOperations

    return TritonOperations(KERNELS[layers])


def have_kernels(filters: int, strided: bool) -> bool:
    """Whether there are kernels for such a network, and Triton is here."""
    return filters in _FILTERS and not strided and find_spec("triton") is not None
