"""The content of each figure of a section. Colours distinguish methods; dashes and markers, the protocols
of one method."""

from __future__ import annotations

from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from bench.analysis.cells import Cell
from bench.analysis.claims import Claim
from bench.analysis.sections import Section
from bench.protocols import known_methods
from bench.protocols.benchmarks import of_record
from bench.records.contents import Record
from bench.report import labels, marks, wording
from bench.report.panel import PALETTE, Mark, Panel, centres

_WIDE = 5  # a longest run of more than this many times the shortest one makes the axis logarithmic
_FAR, _MOST = 100, 90  # factor and percentile that decide on, and limit, a logarithmic axis of scores
_MANY_STEPS = 20

Row = Cell | Claim


def accuracy(section: Section) -> Panel | None:
    """One row per cell, with its intervals, and one per published number of its method, with its published interval."""
    methods = sorted({cell.method for cell in section.cells}, key=known_methods.order)
    known: list[Row] = [*section.cells, *section.claims]
    rows = [row for method in methods for row in known if row.method == method]
    colours, called = _colours(section), [labels.label(row) for row in rows]

    def mark(axes: Axes, y: float, row: Row, name: str) -> Mark:
        if isinstance(row, Claim):
            return marks.claim(axes, y, row)
        return marks.cell(axes, y, row, labels.one_line(name), colours[row.method])

    def draw(axes: Axes) -> list[Mark]:
        placed = list(zip(centres(called), rows, called, strict=True))
        marks.intervals(axes, {y: row for y, row, _ in placed if isinstance(row, Cell)}, colours)
        return [mark(axes, *each) for each in placed]

    keys = [
        Line2D([], [], color="black", lw=width, ls=dash, label=wording.kind(name))
        for name, (width, dash, _) in marks.INTERVALS.items()
    ]
    published = Line2D(
        [],
        [],
        color=marks.GREY,
        marker="D",
        markerfacecolor="white",
        label="published (with its 95 % interval, if over tasks)",
    )
    title = f"{section.title}: {section.benchmark.measure.name} with 95 % intervals"
    return Panel(title, _axis(section, "test"), draw, [*keys, published], rows=called) if rows else None


def curves(section: Section) -> Panel | None:
    """Validation score by iteration, one line per run. Runs that only evaluate another run's weights are left out."""
    runs = {r.path: _validations(r) for r in section.records if r.points and "weights_of" not in r.info}
    shown = [r for r in section.records if r.path in runs and len(runs[r.path].scores) > 1]  # one point makes no line
    colours = _colours(section)
    names = {r.path: labels.training(r) for r in shown}
    styles = dict(zip(dict.fromkeys(names.values()), cycle(marks.STYLES), strict=False))

    def draw(axes: Axes) -> list[Mark]:
        lasts = [record.training.iterations for record in shown]
        if max(lasts) > _WIDE * min(lasts):
            axes.set_xscale("log")  # otherwise short runs would be invisible
        _within_reach(axes, "y", np.concatenate([runs[record.path].scores for record in shown]))
        return [
            marks.curve(axes, record, runs[record.path], colours[record.method], styles[names[record.path]])
            for record in shown
        ]

    keys = [Line2D([], [], color=colours[m], label=m) for m in colours if m in {record.method for record in shown}]
    keys += [_key("black", style, name) for name, style in styles.items()]
    title = f"{section.title}: learning curves, one line per seed"
    return Panel(title, "iteration (meta-steps)", draw, keys, y=_axis(section, "validation")) if shown else None


def steps(section: Section) -> Panel | None:
    """The score after each inner step, with the headline interval; for one seed, with the interval over episodes."""
    cells = [cell for cell in section.cells if len(cell.by_step) > 1]
    colours, names = _colours(section), [labels.one_line(labels.label(cell)) for cell in cells]
    styles = [
        marks.STYLES[[c for c in cells if c.method == cell.method].index(cell) % len(marks.STYLES)] for cell in cells
    ]

    def draw(axes: Axes) -> list[Mark]:
        if max(cell.shown_steps[-1] for cell in cells) > _MANY_STEPS:
            axes.set_xscale("symlog", linthresh=_MANY_STEPS)  # otherwise methods with few steps would be invisible
        else:
            locator = axes.xaxis.get_major_locator()
            assert isinstance(locator, MaxNLocator)
            locator.set_params(integer=True)
        _within_reach(axes, "y", np.concatenate([cell.by_step.mean((1, 2)) for cell in cells]))
        return [
            marks.steps(axes, cell, name, 0.07 * (number - (len(cells) - 1) / 2), colours[cell.method], style)
            for number, (cell, name, style) in enumerate(zip(cells, names, styles, strict=True))
        ]

    called = [f"{labels.label(cell, labels.WIDE)} ({wording.kind(cell.covers)})" for cell in cells]
    keys = [_key(colours[cell.method], style, text) for cell, style, text in zip(cells, styles, called, strict=True)]
    title = f"{section.title}: {section.benchmark.measure.name} by inner step, with 95 % intervals"
    return Panel(title, "inner steps taken at test", draw, keys, _axis(section, "test")) if cells else None


def _key(colour: str, style: marks.Style, label: str) -> Line2D:
    return Line2D([], [], color=colour, ls=style.dash, marker=style.marker, ms=4, label=label)


def distributions(section: Section) -> Panel | None:
    """One row per cell: the distribution of its test episodes' scores, and the mean of each seed."""
    colours, called = _colours(section), [labels.label(cell) for cell in section.cells]

    def draw(axes: Axes) -> list[Mark]:
        if not section.benchmark.measure.counted:
            _within_reach(axes, "x", np.concatenate([cell.scores.ravel() for cell in section.cells]))
        rows = zip(centres(called), section.cells, map(labels.one_line, called), strict=True)
        return [m for y, cell, name in rows for m in marks.distribution(axes, y, cell, name, colours[cell.method])]

    keys = [
        Patch(facecolor="black", alpha=0.45, label="share of the episodes at a score, all seeds"),
        Line2D([], [], color="black", ls="", marker="|", ms=7, mew=1.5, label="mean of a training seed"),
    ]
    title = f"{section.title}: {section.benchmark.measure.name} over test episodes and seeds"
    return Panel(title, _axis(section, "test"), draw, keys, rows=called) if called else None


def differences(section: Section) -> Panel | None:
    """One row per pair of methods: the difference on common seeds and episodes, with its interval."""
    called = [labels.pair_label(pair) for pair in section.pairs]

    def draw(axes: Axes) -> list[Mark]:
        axes.axvline(0, color="black", lw=1)
        low, high = zip(*(pair.interval for pair in section.pairs), strict=True)
        axes.hlines(centres(called), low, high, color="C0", lw=3, capstyle="butt")
        rows = zip(centres(called), section.pairs, map(labels.one_line, called), strict=True)
        return [marks.pair(axes, *row) for row in rows]

    title = f"{section.title}: methods compared in pairs, with 95 % intervals"
    measure = section.benchmark.measure
    unit = f" ({measure.points})" if measure.unit else ""
    x = f"difference in {measure.name}{unit}; p after Holm's correction"
    return Panel(title, x, draw, [], rows=called) if called else None


def _within_reach(axes: Axes, which: str, shown: np.ndarray) -> None:
    """Makes an axis, `x` or `y`, logarithmic if a score that explodes would hide all others; most scores determine its
    limit."""
    finite = shown[np.isfinite(shown)]
    if not finite.max(initial=0) > _FAR * finite.min(initial=np.inf) > 0:
        return
    axes.set(**{f"{which}scale": "log"})
    end = _FAR * float(np.percentile(finite, _MOST))
    if beyond := int((finite > end).sum()):
        axes.set(**{f"{which}lim": (finite.min() / 2, end)})
        said = f"{beyond} beyond the axis, up to {finite.max():.0e}"
        axes.text(0.99, 0.97, said, transform=axes.transAxes, ha="right", va="top", fontsize=8)


def _axis(section: Section, split: str) -> str:
    measure = section.benchmark.measure
    return f"{measure.name} on {split} episodes" + f" ({measure.unit})" * bool(measure.unit)


def _colours(section: Section) -> dict[str, str]:
    """One colour per method, in the order of the tables."""
    methods = sorted({record.method for record in section.records}, key=known_methods.order)
    return dict(zip(methods, cycle(PALETTE), strict=False))


def _validations(record: Record) -> marks.Validations:
    factor = of_record(record.info).measure.factor
    iterations, valid = record.points["iteration"], record.points["valid_score"]
    known = ~np.isnan(valid)
    return marks.Validations(iterations[known], factor * valid[known])
