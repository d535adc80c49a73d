"""The tile sizes of each kernel: the fastest on a device or, until they are measured, some that compile without spills
(`tiles.json` says which)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch

PRODUCTS = ("ieee", "tf32x3")
SHIPPED = Path(__file__).with_name("tiles.json")


class Tile(NamedTuple):
    """The work of one program of a kernel: `rows` pixels or windows at a time, `depth` terms of each sum at a time, by
    `warps` of 32 threads, with loads `stages` ahead."""

    rows: int
    depth: int
    warps: int
    stages: int

    @property
    def options(self) -> dict[str, int]:
        """The options of a launch."""
        return {"num_warps": self.warps, "num_stages": self.stages}


Tiles = Mapping[str, Tile]  # keys: `<kernel>/<products>`, or `<kernel>/<products>/<columns>` for images of that width


@cache
def shipped_tiles() -> Tiles:
    """The tiles that are part of the package."""
    return read(json.loads(SHIPPED.read_text()))


def read(document: Mapping[str, Any]) -> Tiles:
    """The tiles in a document written by a sweep."""
    return {name: Tile(*numbers) for name, numbers in document["tiles"].items()}


@dataclass(frozen=True)
class How:
    """How kernels run: the precision of their products, their tiles, and the approximate number of programs that a sum
    is split among (a few per multiprocessor of a GPU)."""

    products: str = "ieee"  # one of PRODUCTS
    tiles: Tiles = field(default_factory=shipped_tiles, hash=False)
    programs: int = 528

    def exact(self, dtype: torch.dtype) -> str:
        """The precision of products for a dtype: TF32 splits exist only for float32."""
        return self.products if dtype == torch.float32 else "ieee"

    def tile(self, kernel: str, columns: int = 0, filters: int = 32, products: str | None = None) -> Tile:
        """The tile of a kernel for images of this width, with this many filters. Tiles are measured with 32 filters;
        with more, they take fewer rows, so that a thread holds the same number of results."""
        name = f"{kernel}/{products or self.products}"
        found = self.tiles.get(f"{name}/{columns}") or self.tiles[name]
        return found._replace(rows=max(16, found.rows * 32 // max(32, filters)))
