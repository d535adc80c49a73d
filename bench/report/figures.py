"""The figures of a report: at most six per benchmark; empty ones are left out."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.style
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

from bench.analysis.sections import Section
from bench.files import write_atomically
from bench.report import panels
from bench.report.fit_panel import fits
from bench.report.inline_svg import inline
from bench.report.panel import PALETTE, ROW, TITLE, DrawnFigure, Mark, Panel, PlannedFigure, centres, heights

_STYLE: dict[Any, Any] = {
    "axes.prop_cycle": cycler(color=PALETTE),
    "axes.linewidth": 1.25,
    "font.sans-serif": ["DejaVu Sans"],  # comes with Matplotlib, so that a figure is the same on every machine
    "svg.hashsalt": "bench",  # the same records give the same file
    "svg.fonttype": "none",  # text stays text
    "text.hinting": "none",  # hinting takes a tenth of the time of a report
    "savefig.dpi": 130,
    "axes.labelsize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
}
# No date, so that the same records give the same file; stronger compression takes half as long as drawing.
_SAVED: dict[str, dict[str, Any]] = {
    "svg": {"metadata": {"Date": None}},
    "png": {"pil_kwargs": {"compress_level": 1}},
    "pdf": {"metadata": {"CreationDate": None}},
}
_WIDTH, _PLANE, _MARGIN = 9.0, 3.4, 0.4  # inches: figure width, height of a plot, margin
_LABEL_POINTS = 9
_CHARACTER, _LABEL_GAP = 0.073, 0.05  # inches: of the labels beside the rows
_KEY_CHARACTER, _KEY_ROW, _KEY_LINE = 0.066, 0.2, 0.15  # inches, in the legend: character, row, further line of a row


def plan_figures(sections: Sequence[Section], out: Path) -> dict[str, list[PlannedFigure]]:
    """Title of a section -> its figures."""
    with _style():  # the entries of legends take on the style when they are made
        return {section.title: _section(f"s{k}", section, out) for k, section in enumerate(sections)}


def draw(figure: PlannedFigure, formats: Sequence[str] = ()) -> DrawnFigure:
    """Draws a figure as SVG and in other formats. Raises UserError if a file cannot be written."""
    with _style():
        return _draw(figure.name, figure.panel, figure.stem, formats)


@contextmanager
def _style() -> Iterator[None]:
    with matplotlib.rc_context():
        # Matplotlib's copy of the style: seaborn itself takes as long to import as everything else.
        matplotlib.style.use("seaborn-v0_8-whitegrid")
        matplotlib.rcParams.update(_STYLE)
        yield


def _section(name: str, section: Section, out: Path) -> list[PlannedFigure]:
    """The figures of a section that are not empty. `name`: the section's id in the page."""
    title = section.title.replace(" ", "-")
    made = {
        section.benchmark.measure.name.replace(" ", "-"): panels.accuracy(section),
        "curves": panels.curves(section),
        "steps": panels.steps(section),
        "distributions": panels.distributions(section),
        "differences": panels.differences(section),
        "fits": fits(section),
    }
    return [PlannedFigure(f"{name}-{kind}", panel, out / f"{kind}-{title}") for kind, panel in made.items() if panel]


def _draw(name: str, panel: Panel, stem: Path, formats: Sequence[str]) -> DrawnFigure:
    """Draws and writes a figure. Positions are computed here: layout engines would measure every text again."""
    columns, keys = _legend([str(key.get_label()) for key in panel.keys])
    left = 0.25 + _CHARACTER * _longest(panel.rows) if panel.rows else 0.8
    bottom = 0.6 + keys
    body = ROW * (sum(heights(panel.rows)) + 0.5) if panel.rows else _PLANE
    height = bottom + body + _MARGIN
    draws = (panel.draw, *panel.beside)
    figure = Figure((_WIDTH, height))  # without pyplot, whose figures a notebook would display
    grid = figure.subplots(1, len(draws), sharey=True, squeeze=False)
    figure.subplots_adjust(left / _WIDTH, bottom / height, 1 - 0.2 / _WIDTH, 1 - _MARGIN / height)
    marks: list[Mark] = []
    for place, draw in zip(grid[0], draws, strict=True):
        place.xaxis.set_label_coords(0.5, -0.34 / body)
        marks += draw(place)
        place.set_xlabel(panel.x or place.get_xlabel())
    axes, values = grid[0, 0], _name_marks(marks)
    axes.yaxis.set_label_coords(-0.45 * len(draws) / (_WIDTH - left - 0.2), 0.5)
    if panel.rows:
        _name_rows(axes, panel.rows)
    axes.set_ylabel(panel.y)
    figure.text((0.25 if panel.rows else left) / _WIDTH, 1 - 0.28 / height, panel.title, fontsize=11, gid=TITLE)
    if panel.keys:
        figure.legend(handles=panel.keys, loc="lower center", ncols=columns, fontsize=8.5, frameon=False, borderpad=0.1)
    images = {kind: _render(figure, kind) for kind in ("svg", *formats)}
    files = tuple(_write(Path(f"{stem}.{kind}"), image) for kind, image in images.items())
    svg = inline(images["svg"].decode(), panel.title, values, f"{name}-")
    return DrawnFigure(name, panel.title, svg, values, files)


def _name_rows(axes: Axes, rows: Sequence[str]) -> None:
    """Labels the rows with texts: a tick is three lines and two texts, which take longer to draw than its row."""
    axes.set_yticks([])
    axes.set_ylim(sum(heights(rows)) - 0.25, -0.75)
    beside = axes.get_yaxis_transform() + ScaledTranslation(-_LABEL_GAP, 0, axes.figure.dpi_scale_trans)
    for y, text in zip(centres(rows), rows, strict=True):
        axes.text(0, y, text, transform=beside, ha="right", va="center_baseline", fontsize=_LABEL_POINTS)


def _legend(labels: Sequence[str]) -> tuple[int, float]:
    """The number of columns with which a legend fits the width of the figure, and its height in inches."""
    columns = max(1, min(len(labels), int((_WIDTH - 0.4) / (0.7 + _KEY_CHARACTER * _longest(labels)))))
    rows = [labels[place : place + columns] for place in range(0, len(labels), columns)]
    return columns, sum(_KEY_ROW + _KEY_LINE * max(text.count("\n") for text in row) for row in rows)


def _longest(texts: Sequence[str]) -> int:
    """The number of characters of the longest line."""
    return max((len(line) for text in texts for line in text.split("\n")), default=0)


def _name_marks(marks: Sequence[Mark]) -> dict[str, Sequence[str]]:
    """Gives each mark an id, under which it is found in the SVG."""
    for number, (artist, _) in enumerate(marks):
        artist.set_gid(f"mark{number}")
    return {f"mark{number}": values for number, (_, values) in enumerate(marks)}


def _render(figure: Figure, kind: str) -> bytes:
    image = io.BytesIO()
    figure.savefig(image, format=kind, **_SAVED[kind])
    return image.getvalue()


def _write(path: Path, content: bytes) -> Path:
    write_atomically(path, lambda temporary: temporary.write_bytes(content))
    return path
