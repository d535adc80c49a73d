"""Records the machine, and its speed in a copy and in torch's own matrix product: the upper bounds for all
estimates."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from bench import devices, files, provenance
from tests.device.clock import seconds_of


def figures() -> dict[str, Any]:
    """Bytes per second of a copy, and operations per second of two products: a large one, and one as tall as layer
    2."""
    device, size = torch.device("cuda"), 2**28
    source, target = (torch.empty(size, device=device) for _ in range(2))
    found: dict[str, Any] = {"copy_bytes_per_second": 8 * size / seconds_of(lambda: target.copy_(source))}
    for rows, depth, columns in ((4096, 4096, 4096), (88200, 288, 32)):
        a, b = torch.rand(rows, depth, device=device), torch.rand(depth, columns, device=device)
        took = seconds_of(lambda a=a, b=b: a @ b)
        found[f"sgemm_{rows}x{depth}x{columns}_flop_per_second"] = 2 * rows * depth * columns / took
    return found


def main(out: Path) -> None:
    """Writes `machine.json`."""
    devices.make_repeatable(1)
    found: dict[str, Any] = {"environment": provenance.describe(), "triton": provenance.version_of("triton")}
    files.write_json(out / "machine.json", found)
    if torch.cuda.is_available():
        print(subprocess.run(["nvidia-smi"], capture_output=True, text=True, check=False).stdout)
        files.write_json(out / "machine.json", found | figures())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
