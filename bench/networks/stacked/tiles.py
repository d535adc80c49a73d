"""How large the tiles of each kernel are: what was fastest on a device or, until one was measured, what compiles
without spills (`tiles.json` says which)."""

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
    """What one program of a kernel takes: `rows` pixels or windows at a time, `depth` numbers of each sum at a time, by
    `warps` of 32 threads, loads being `stages` ahead."""

    rows: int
    depth: int
    warps: int
    stages: int

    @property
    def options(self) -> dict[str, int]:
        """As a launch takes them."""
        return {"num_warps": self.warps, "num_stages": self.stages}


Tiles = Mapping[str, Tile]  # by `<kernel>/<products>` or, of images so wide, `<kernel>/<products>/<columns>`


@cache
def shipped() -> Tiles:
    """The package's own."""
    return read(json.loads(SHIPPED.read_text()))


def read(document: Mapping[str, Any]) -> Tiles:
    """The tiles in a document as a sweep writes it."""
    return {name: Tile(*numbers) for name, numbers in document["tiles"].items()}


def measured() -> str | None:
    """On which device the shipped ones were measured, None where on none."""
    return json.loads(SHIPPED.read_text())["measured"]


@dataclass(frozen=True)
class How:
    """How kernels run: the precision of their products, their tiles, and about how many programs a sum is split among
    (a few for each of a GPU's multiprocessors)."""

    products: str = "ieee"  # one of PRODUCTS
    tiles: Tiles = field(default_factory=shipped, hash=False)
    programs: int = 528

    def exact(self, dtype: torch.dtype) -> str:
        """The precision of products of such numbers: TF32 splits are of float32."""
        return self.products if dtype == torch.float32 else "ieee"

    def tile(self, kernel: str, columns: int = 0, filters: int = 32, products: str | None = None) -> Tile:
        """For a kernel on images so wide, with so many filters: a tile is measured with 32, and takes fewer rows where
        there are more, so that a thread holds as many results."""
        name = f"{kernel}/{products or self.products}"
        found = self.tiles.get(f"{name}/{columns}") or self.tiles[name]
        return found._replace(rows=max(16, found.rows * 32 // max(32, filters)))
