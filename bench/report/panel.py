"""A figure: what is to be drawn, and what it is once it is drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.artist import Artist
from matplotlib.axes import Axes

Mark = tuple[Artist, Sequence[str]]  # what was drawn, and its values in words: one for each of its points
TITLE = "title"  # the id of what a page says in its own words
# Seaborn's palette for the colour-blind, in its order.
PALETTE = ("#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#ca9161", "#fbafe4", "#949494", "#ece133", "#56b4e9")


@dataclass(frozen=True)
class Panel:
    """A figure to be drawn. `draw` returns the marks whose values can be asked for. `rows` label its lines from the
    top; a plane has none."""

    title: str
    x: str
    draw: Callable[[Axes], list[Mark]]
    keys: Sequence[Artist]
    y: str = ""
    rows: Sequence[str] = ()
    beside: Sequence[Callable[[Axes], list[Mark]]] = ()  # drawn to the right of it, on the same scale


@dataclass(frozen=True)
class DrawnFigure:
    """A figure and its files. `name`: of its block in a page, of which `svg` is a part; `values`: id of a mark in the
    SVG -> its values in words, one for each of its points."""

    name: str
    title: str
    svg: str
    values: dict[str, Sequence[str]]
    files: tuple[Path, Path]

    @property
    def png(self) -> Path:
        """The file to look at, or to embed."""
        return self.files[0]
