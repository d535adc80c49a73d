"""Draws marks into panels, row by row and run by run, and returns their values as text for the reader to look up.
`name` is the label of a row or line, on one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from bench.analysis import statistics
from bench.analysis.cells import Cell
from bench.analysis.claims import Claim
from bench.analysis.pairs import Compared
from bench.protocols.benchmarks import of_record
from bench.records.contents import Record
from bench.report import wording
from bench.report.panel import Mark

GREY = "#555555"
Dash = str | tuple[int, tuple[int, ...]]


class Style(NamedTuple):
    """How the lines of one protocol are drawn."""

    dash: Dash
    marker: str


# Dash patterns: (offset, (points drawn, points left out, ...)).
_DASHES: tuple[Dash, ...] = (
    "-", "--", ":", "-.", (0, (1, 3)), (0, (7, 2)), (0, (4, 1, 1, 1, 1, 1)), (0, (9, 1, 3, 1)),
)  # fmt: skip
# Styles that distinguish the protocols of one method: another marker where the dashes begin again.
STYLES = tuple(Style(dash, marker) for marker in "osX^Dv" for dash in _DASHES)

# Interval -> (line width in points, dash pattern, offset from the middle of the row)
INTERVALS = {"both": (5.0, "-", 0.0), "over episodes": (1.5, "-", -0.22), "over seeds": (1.5, ":", 0.22)}
_BINS = 80  # of a distribution whose scores can take more values than that


def intervals(axes: Axes, cells: Mapping[float, Cell], colours: Mapping[str, str]) -> None:
    """Draws every interval of the cells, each on its row; all of a kind at once, which is faster than one by one."""
    for name, (width, dash, offset) in INTERVALS.items():
        low, high = zip(*(cell.intervals[name] for cell in cells.values()), strict=True)
        drawn = [colours[cell.method] for cell in cells.values()]
        rows = np.array(list(cells)) + offset
        faint = 0.5 if name == "both" else 1.0
        axes.hlines(rows, low, high, colors=drawn, lw=width, ls=dash, alpha=faint, capstyle="butt")


def cell(axes: Axes, y: float, cell: Cell, name: str, colour: str) -> Mark:
    """Draws the mean of a cell, with its intervals as text."""
    ends = [f"{wording.kind(kind)} {wording.ends(cell.intervals[kind], cell.measure.form)}" for kind in INTERVALS]
    (point,) = axes.plot(cell.headline.value, y, "o", color=colour, ms=6, zorder=3)
    return point, [f"{name}: {cell.headline.value:{cell.measure.form}}; {', '.join(ends)}"]


def claim(axes: Axes, y: float, claim: Claim) -> Mark:
    """Draws an open diamond, with the published interval if it is over tasks."""
    half, measure = claim.over_tasks or 0, claim.about.measure
    axes.plot(measure.clipped((claim.accuracy - half, claim.accuracy + half)), (y, y), color=GREY, lw=1.5)
    (point,) = axes.plot(claim.accuracy, y, "D", color="white", markeredgecolor=GREY, ms=6, zorder=3)
    return point, [f"{claim.method}, published: {claim.number}, {wording.source(claim)}"]


class Validations(NamedTuple):
    """The iterations at which a run was validated, and its scores there in their unit, each [validations]."""

    iterations: np.ndarray
    scores: np.ndarray


def curve(axes: Axes, record: Record, validations: Validations, colour: str, style: Style) -> Mark:
    """Draws the validations of one run."""
    (x, y), form = validations, of_record(record.info).measure.form
    (line,) = axes.plot(x, y, lw=1.2, alpha=0.8, color=colour, ls=style.dash, marker=style.marker, ms=3)
    name = f"{record.method}, seed {record.seed}"
    return line, [f"{name}: {value:{form}} at iteration {k}" for k, value in zip(x, y, strict=True)]


def steps(axes: Axes, cell: Cell, name: str, offset: float, colour: str, style: Style) -> Mark:
    """Draws a cell's scores after each inner step."""
    shown, of, form = cell.shown_steps, wording.kind(cell.covers), cell.measure.form
    scores = cell.by_step[shown]
    estimate = statistics.over_both(scores) if cell.covers == "both" else statistics.over_episodes(scores)
    varied = np.where(np.ptp(scores, axis=(1, 2)), 1, np.nan)  # no interval if all episodes have the same score
    low, high = (varied * np.clip(end, *cell.measure.shown_bounds) for end in estimate.interval())
    x = np.array(shown) + offset  # side by side, so that intervals do not hide each other
    (line,) = axes.plot(x, estimate.value, color=colour, lw=1.2, ls=style.dash, marker=style.marker, ms=4)
    axes.vlines(x, low, high, color=colour, lw=1.2)
    ends = [wording.ends(interval, form) for interval in zip(low, high, strict=True)]
    values = zip(shown, estimate.value, ends, strict=True)
    return line, [f"{name}: {v:{form}} after inner step {k}; {of} {end}" for k, v, end in values]


def pair(axes: Axes, y: float, pair: Compared, name: str) -> Mark:
    """Draws the difference of two methods."""
    form, measure = f"+{pair.a.measure.form}", pair.a.measure
    value, ends = pair.paired.difference.value, wording.ends(pair.interval, form)
    (point,) = axes.plot(value, y, "o", color="C0", ms=6)
    return point, [f"{name}: {value:{form}} {measure.points}; {wording.kind(pair.paired.kind)} {ends}"]


def distribution(axes: Axes, y: float, cell: Cell, name: str, colour: str) -> list[Mark]:
    """Draws the distribution of the episodes' scores on its row, and the mean of each seed below."""
    scores, form = cell.scores, cell.measure.form
    shares, edges = np.histogram(scores, _edges(cell, axes.get_xscale() == "log"))
    outline = axes.stairs(y - 0.7 * shares / shares.max(), edges, baseline=y, fill=True, color=colour, alpha=0.45, lw=0)
    quartiles = ", ".join(f"{value:{form}}" for value in np.percentile(scores, (25, 50, 75)))
    means = scores.mean(-1)
    (points,) = axes.plot(means, np.full(len(means), y + 0.1), "|", color=colour, ms=7, mew=1.5)
    seeds = zip(cell.seeds, means, scores.std(-1, ddof=1), strict=True)
    each = [f"{name}: seed {k} has mean {m:{form}}, SD between episodes {sd:{form}}" for k, m, sd in seeds]
    return [(outline, [f"{name}, {scores.shape[1]} episodes: quartiles {quartiles}"]), (points, each)]


def _edges(cell: Cell, logarithmic: bool) -> np.ndarray:
    """The edges of the bins: one bin per number of right answers, unless there are too many to distinguish."""
    if cell.measure.counted and cell.queries < _BINS:
        low, high = cell.measure.shown_bounds
        return low + (np.arange(cell.queries + 2) - 0.5) * (high - low) / cell.queries
    if logarithmic:
        return np.geomspace(cell.scores.min(), cell.scores.max(), _BINS + 1)
    return np.histogram_bin_edges(cell.scores, _BINS)
