"""In which precision a network multiplies; everything else is float32."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


def product(precision: str, operation: Callable[..., Tensor], *factors: Tensor) -> Tensor:
    """The operation, under `bf16` with factors and result rounded to bfloat16: what `torch.autocast` does, but for the
    same operations in every version of torch, and through any nesting of `vmap`, `grad` and a compiler. TF32 is a
    switch of the device: `bench.environment.tf32`."""
    if precision != "bf16":
        return operation(*factors)
    return operation(*(factor.bfloat16() for factor in factors)).to(factors[0].dtype)
