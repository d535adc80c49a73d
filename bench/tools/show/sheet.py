"""Draws episodes with their predictions: one row per class with its support on the left, and predictions below each
query image."""

from __future__ import annotations

import string
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

_SUPPORTS, _QUERIES = 5, 15  # images per line
_INK, _SOFT, _RIGHT, _WRONG = "#1c2026", "#5a616b", "#00664a", "#a83c00"
_DPI, _SIDE = 100, 0.72  # inches per side of an image, the unit of all other lengths
_ACROSS, _DOWN, _NAMES, _GAP, _TITLE = 1.18, 1.42, 1.9, 0.3, 0.6  # steps across and down; room for names, gap, title
_NARROWEST, _WIDEST = 12.5, 21.0  # the key needs the former; few screens fit more than the latter
_LETTERS, _LETTER = 20, 0.14  # most letters of a class name; width of a letter in a title


@dataclass(frozen=True)
class Sheet:
    """An episode to draw. `support` and `query` are uint8 [ways, images, height, width, channels]; `before` and `after`
    adaptation are predicted labels [ways, queries]."""

    title: str
    classes: tuple[str, ...]
    support: np.ndarray
    query: np.ndarray
    before: np.ndarray
    after: np.ndarray

    @property
    def ways(self) -> int:
        """The number of classes in the episode."""
        return len(self.classes)

    @property
    def names(self) -> list[str]:
        """Short names for the labels, which fit below an image."""
        letters = string.ascii_uppercase
        return list(letters[: self.ways]) if self.ways <= len(letters) else [str(k + 1) for k in range(self.ways)]

    @property
    def confused(self) -> str:
        """The most frequent error, in words; empty if there is none."""
        counts = np.zeros((self.ways, self.ways), dtype=int)
        np.add.at(counts, (np.arange(self.ways)[:, None], self.after), 1)
        np.fill_diagonal(counts, 0)
        if not counts.any():
            return ""
        of, taken_for = map(int, np.unravel_index(counts.argmax(), counts.shape))
        count = int(counts[of, taken_for])
        return f"{count} image{'s' * (count > 1)} of {self.called(of)} taken for {self.called(taken_for)}"

    def called(self, label: int) -> str:
        """A class by its letter and its name."""
        return f"{self.names[label]} ({self.classes[label]})"

    def described(self) -> str:
        """The content of the picture as text, for readers who cannot see it."""
        labels = np.arange(self.ways)[:, None]
        right = [int((part == labels).sum()) for part in (self.before, self.after)]
        classes = ", ".join(self.called(label) for label in range(self.ways))
        most = f" Most often: {self.confused}." if self.confused else ""
        return (
            f"{self.title}. Classes: {classes}. Of {self.after.size} query images, {right[0]} are right before "
            f"adaptation and {right[1]} after.{most}"
        )


def draw(sheets: Sequence[Sheet]) -> Image.Image:
    """The episodes, all of one shape, side by side if they are narrow, with a key above."""
    width, height = max(map(_width, sheets)), _TITLE + sheets[0].ways * _lines(sheets[0]) * _DOWN + _GAP
    beside = min(len(sheets), max(1, int(_WIDEST // width)))
    across, down = max(_NARROWEST, beside * width), _TITLE + -(-len(sheets) // beside) * height
    figure = Figure((across * _SIDE, down * _SIDE), dpi=_DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, across), ylim=(down, 0))
    axes.set_axis_off()
    axes.text(_GAP, _TITLE / 2, _KEY, color=_SOFT, fontsize=10, va="center")
    for k, sheet in enumerate(sheets):
        row, column = divmod(k, beside)
        _draw(axes, sheet, column * width + _GAP, row * height + _TITLE)
    axes.set(xlim=(0, across), ylim=(down, 0))  # drawing images changes the limits
    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # missing letters become boxes
        canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


_KEY = (
    "Left: class and support. Right: query, with the prediction before → after adaptation: "
    "✓ right, ✗ wrong (thick frame)"
)


def _width(sheet: Sheet) -> float:
    return max(_NAMES + _ACROSS * sum(_columns(sheet)), _LETTER * len(sheet.title)) + 3 * _GAP


def _columns(sheet: Sheet) -> tuple[int, int]:
    """Images per line: for the support, for the query."""
    return min(sheet.support.shape[1], _SUPPORTS), min(sheet.query.shape[1], _QUERIES)


def _lines(sheet: Sheet) -> int:
    """The number of lines for the images of a class."""
    parts = (sheet.support, sheet.query)
    return max(-(-part.shape[1] // columns) for part, columns in zip(parts, _columns(sheet), strict=True))


def _draw(axes: Axes, sheet: Sheet, left: float, top: float) -> None:
    axes.text(left, top + _TITLE / 2, sheet.title, color=_INK, fontsize=13, va="center")
    supports, queries = _columns(sheet)
    first_query = left + _NAMES + supports * _ACROSS + _GAP
    for label, name in enumerate(sheet.names):
        line = top + _TITLE + label * _lines(sheet) * _DOWN
        axes.text(left, line, name, color=_INK, fontsize=16, va="top")
        called = _shorten(sheet.classes[label])
        axes.text(left, line + 0.45, called, color=_SOFT, fontsize=8, va="top", parse_math=False)
        for k, image in enumerate(sheet.support[label]):
            _image(axes, image, left + _NAMES + k % supports * _ACROSS, line + k // supports * _DOWN)
        for k, image in enumerate(sheet.query[label]):
            place = first_query + k % queries * _ACROSS, line + k // queries * _DOWN
            answers = [int(part[label, k]) for part in (sheet.before, sheet.after)]
            _image(axes, image, *place, right=answers[1] == label)
            colour = _RIGHT if answers[1] == label else _WRONG
            said = " → ".join(f"{sheet.names[each]} {'✓' if each == label else '✗'}" for each in answers)
            axes.text(place[0] + 0.5, place[1] + 1.08, said, color=colour, fontsize=9, ha="center", va="top")


def _image(axes: Axes, pixels: np.ndarray, left: float, top: float, right: bool | None = None) -> None:
    """Draws an image, with a frame if it was predicted right or wrong."""
    smooth = "nearest" if max(pixels.shape[:2]) < _SIDE * _DPI / 2 else "lanczos"
    shown = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
    axes.imshow(shown, extent=(left, left + 1, top + 1, top), interpolation=smooth, aspect="auto")
    if right is not None:
        colour, width = (_RIGHT, 1.5) if right else (_WRONG, 4.0)
        axes.add_patch(Rectangle((left, top), 1, 1, fill=False, color=colour, lw=width))


def _shorten(name: str) -> str:
    """A class name shortened to fit; of a path, such as a character of an alphabet, the last two parts."""
    return "\n".join(p if len(p) <= _LETTERS else f"{p[: _LETTERS - 1]}…" for p in name.split("/")[-2:])
