"""The error of products in each precision, relative to float64. `tf32x3` may become the default if its error is at most
twice that of `ieee`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench import devices, files
from bench.networks.stacked.tiles import PRODUCTS
from bench.networks.stacked.triton_operations import TritonOperations
from tests.device.kernels import SIZES, operations

_COMPARED = ("first", "layer", "tangent", "data", "dual", "weight", "greatest")
_AT_MOST = 2.0  # times as far as `ieee`


def away(found: Any, exact: Any) -> float:
    """The relative error in norm, of the first tensor of each result."""
    one, other = (each if isinstance(each, Tensor) else each[0] for each in (found, exact))
    return float((one.double() - other).norm() / other.norm())


def main(out: Path) -> None:
    """Writes `errors.json` as it goes."""
    devices.make_repeatable(1)
    found: dict[str, Any] = {"rows": []}
    for size in SIZES:
        exact, rounded = (operations(size, dtype) for dtype in (torch.float64, torch.float32))
        for name in (each for each in _COMPARED if each in exact):
            right = exact[name](TritonOperations())
            row = {each: away(rounded[name](TritonOperations(each)), right) for each in PRODUCTS}
            found["rows"].append({"operation": name, "size": size} | row)
            print(found["rows"][-1], flush=True)
            files.write_json(out / "errors.json", found)
    found["tf32x3_may_be_the_default"] = all(row["tf32x3"] <= _AT_MOST * row["ieee"] for row in found["rows"])
    files.write_json(out / "errors.json", found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
