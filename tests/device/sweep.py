"""Times every tile worth trying, and writes the fastest ones to the package's own file,
`bench/networks/stacked/tiles.json`: later stages use them, and they can be committed.

Compilation takes most of the time. Therefore about as many processes as there are cores first compile a share each,
into Triton's cache."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import torch

from bench import devices, files
from bench.networks.stacked.tiles import PRODUCTS, SHIPPED, Tile, shipped_tiles
from bench.networks.stacked.triton_operations import TritonOperations
from tests.device.clock import seconds_of
from tests.device.kernels import SIZES, operations

# (rows, depth, warps) of the products; `candidates` adds the stages. Larger ones spill (compiled for sm_90).
_IEEE = [(256, 16, 4), (256, 16, 8), (128, 16, 2), (128, 16, 4), (64, 16, 1), (64, 16, 2), (32, 16, 1), (32, 16, 2)]
_TF32X3 = [(256, 32, 8), (128, 32, 8), (128, 32, 4), (64, 32, 4), (32, 32, 2)]
_FIRST = [(256, 16, 8), (128, 16, 4), (128, 16, 8), (64, 16, 4), (64, 16, 2)]
_WEIGHT = {
    "ieee": [(16, 16, 1, 2), (16, 16, 2, 3), (16, 16, 2, 2), (16, 32, 2, 2), (16, 64, 2, 2)],
    "tf32x3": [(16, 16, 4, 1), (16, 16, 2, 2), (16, 16, 4, 2), (16, 32, 2, 1), (16, 32, 4, 1)],
}
_GREATEST = [(32, 32, 4, 1), (32, 32, 2, 1), (32, 16, 2, 1), (32, 32, 4, 2), (32, 64, 4, 1), (32, 64, 8, 1)]
_PATCHES = [(32, 16, 4, 1), (32, 32, 4, 1), (32, 64, 4, 1), (32, 32, 2, 1), (32, 64, 8, 1)]
_PASSES = [(rows, 16, warps, 1) for rows, warps in ((16, 2), (32, 2), (32, 4), (64, 4), (64, 8), (128, 8))]


class Try(NamedTuple):
    """A tile of one kernel for layers of one size."""

    kernel: str
    products: str
    size: int
    tile: Tile

    @property
    def name(self) -> str:
        """The name in `tiles.json`, with the number of columns that the kernel processes."""
        return f"{self.kernel}/{self.products}/{self.size // 2 if self.kernel == 'pass' else self.size}"


def tries() -> Iterator[Try]:
    """All tiles to try, for every kernel and size."""
    for size in SIZES:
        for kernel in operations_of(size):
            for products in PRODUCTS if kernel not in ("patches", "pass", "spread") else ("ieee",):
                for numbers in candidates(kernel, products):
                    yield Try(kernel, products, size, Tile(*numbers))


def operations_of(size: int) -> tuple[str, ...]:
    """The names of `kernels.operations` for this size."""
    if size == SIZES[0]:
        return "patches", "first", "picked", "greatest", "pass"
    return "layer", "tangent", "data", "dual", "weight", "pass", "spread"


def candidates(kernel: str, products: str) -> list[tuple[int, ...]]:
    """The tiles to try for a kernel: rows, depth, warps and stages."""
    fixed = {"greatest": _GREATEST, "patches": _PATCHES, "pass": _PASSES, "spread": _PASSES}
    if kernel in ("first", "picked"):
        return [(*numbers, 1) for numbers in _FIRST]
    if kernel == "weight":
        return _WEIGHT[products]
    if kernel in fixed:
        return fixed[kernel]
    plain, stages = (_IEEE, (1, 2)) if products == "ieee" else (_TF32X3, (2, 3))
    return [(*numbers, stage) for numbers, stage in product(plain, stages)]


def with_tile(one: Try) -> TritonOperations:
    """The operations with this tile in place of the shipped one."""
    return TritonOperations(one.products, dict(shipped_tiles()) | {one.name: one.tile})


def compile_share(place: int, count: int) -> None:
    """Launches every `count`-th try once, starting with number `place`."""
    mine = list(tries())[place::count]
    for size in SIZES:
        work = operations(size)
        for one in (each for each in mine if each.size == size):
            _attempt(one, lambda one=one, work=work: work[one.kernel](with_tile(one)))


def _attempt(one: Try, work: Any) -> Any:
    """The result of `work`, or None if the tile does not fit the device."""
    try:
        return work()
    except Exception as error:  # whatever a compiler or a driver throws
        print(f"{one}: {str(error).splitlines()[0][:120]}", flush=True)
        return None


def compile_all() -> None:
    """Compiles all tries in parallel processes, two fewer than there are cores."""
    count = max(1, (os.cpu_count() or 2) - 2)
    command = [sys.executable, "-m", "tests.device.sweep", "--share"]
    running = [subprocess.Popen([*command, str(place), str(count)]) for place in range(count)]
    for each in running:
        each.wait()


def main(out: Path) -> None:
    """Writes `sweep.json` with all times, and the fastest tiles so far, after each size."""
    found: dict[str, Any] = {"rows": []}
    fastest: dict[Try, float] = {}
    for size in SIZES:
        work = operations(size)
        for one in (each for each in tries() if each.size == size):
            took = _attempt(one, lambda one=one, work=work: seconds_of(lambda: work[one.kernel](with_tile(one)), 3, 10))
            if took is not None:
                fastest[one] = took
                found["rows"].append({**one._asdict(), "tile": list(one.tile), "microseconds": round(1e6 * took, 2)})
        files.write_json(out / "sweep.json", found)
        for place in (out / SHIPPED.name, SHIPPED):
            files.write_json(place, document(fastest))


def document(fastest: dict[Try, float]) -> dict[str, Any]:
    """The content of `tiles.json`: the shipped tiles, replaced by the fastest ones found."""
    best: dict[str, tuple[float, Tile]] = {}
    for one, took in fastest.items():
        best[one.name] = min(best.get(one.name, (took, one.tile)), (took, one.tile))
    tiles = {name: list(tile) for name, tile in shipped_tiles().items()} | {
        name: list(t) for name, (_, t) in best.items()
    }
    about = {"measured": torch.cuda.get_device_name(), "source": "python -m tests.device: tests/device/sweep.py"}
    return about | {"tiles": tiles}


if __name__ == "__main__":
    devices.make_repeatable(1)
    if sys.argv[1] == "--share":
        compile_share(int(sys.argv[2]), int(sys.argv[3]))
    else:
        compile_all()
        main(Path(sys.argv[1]))
