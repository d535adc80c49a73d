"""The engine's operations in torch: they run on a CPU, and GPU kernels are tested against them."""

from bench.networks.stacked import head
from bench.networks.stacked.torch_first_layer import (
    Data,
    data,
    first_layer,
    first_layer_tangent,
    first_weight_gradient,
    first_weight_tangent,
)
from bench.networks.stacked.torch_passes import normalise, output_tangent, spread, spread_tangent, sums, sums_tangent
from bench.networks.stacked.torch_products import (
    data_gradient,
    data_gradient_dual,
    indices,
    layer,
    layer_tangent,
    weight_gradient,
    weight_gradient_dual,
    windows,
)

__all__ = [
    "Data",
    "data",
    "data_gradient",
    "data_gradient_dual",
    "first_layer",
    "first_layer_tangent",
    "first_weight_gradient",
    "first_weight_tangent",
    "head",
    "indices",
    "layer",
    "layer_tangent",
    "normalise",
    "output_tangent",
    "spread",
    "spread_tangent",
    "sums",
    "sums_tangent",
    "weight_gradient",
    "weight_gradient_dual",
    "windows",
]
