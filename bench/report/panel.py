"""A figure, before and after it is drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from matplotlib.artist import Artist
from matplotlib.axes import Axes

Mark = tuple[Artist, Sequence[str]]  # what was drawn, and its values as text: one per point
ROW, LABEL_LINE = 0.36, 0.16  # inches: height of a row with a label of one line, and of each line of a longer label
TITLE = "title"  # the id of the title, which a page replaces by its own heading
# Seaborn's colour-blind palette, in its order.
PALETTE = ("#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#ca9161", "#fbafe4", "#949494", "#ece133", "#56b4e9")


@dataclass(frozen=True)
class Panel:
    """A figure to be drawn. `draw` returns the marks whose values can be looked up. `rows`: labels of its rows from the
    top, empty for a plot with two numeric axes."""

    title: str
    x: str
    draw: Callable[[Axes], list[Mark]]
    keys: Sequence[Artist]
    y: str = ""
    rows: Sequence[str] = ()
    beside: Sequence[Callable[[Axes], list[Mark]]] = ()  # drawn to the right of it, on the same scale


def heights(rows: Sequence[str]) -> list[float]:
    """The height of each row, which grows with the lines of its label; that of a row with a short label is 1."""
    return [max(1.0, (0.1 + LABEL_LINE * (1 + text.count("\n"))) / ROW) for text in rows]


def centres(rows: Sequence[str]) -> list[float]:
    """The vertical position of each row on the axis; that of a first row with a short label is 0."""
    each = heights(rows)
    return [bottom - height / 2 - 0.5 for bottom, height in zip(accumulate(each), each, strict=True)]


@dataclass(frozen=True)
class PlannedFigure:
    """A figure to be drawn. `name`: the id of its block in the page; `stem`: the path of its files without suffix."""

    name: str
    panel: Panel
    stem: Path


@dataclass(frozen=True)
class DrawnFigure:
    """A figure and its files, the SVG first. `name`: the id of its block in the page; `svg`: the element to embed
    there; `values`: id of a mark in the SVG -> its values as text, one per point."""

    name: str
    title: str
    svg: str
    values: dict[str, Sequence[str]]
    files: tuple[Path, ...]
