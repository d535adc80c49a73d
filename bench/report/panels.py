"""What each figure of a section shows. Colours tell methods apart, dashes the runs of one method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from bench import statistics
from bench.benchmarks import BENCHMARKS
from bench.claims import Claim
from bench.records import Record
from bench.report import words
from bench.report.cells import Cell
from bench.report.compared import Compared
from bench.report.grouping import method_order
from bench.report.protocols import described_training
from bench.report.sections import Section

_GREY = "#555555"
_LONGEST = 42  # characters of a row's label, in the figures
_DASHES = ("-", "--", ":", "-.")
_WIDE = 5  # times the shortest run
# Interval -> (width of its line in points, its dash, how far it stands from the middle of the row)
_INTERVALS = {"both": (5.0, "-", 0.0), "over episodes": (1.5, "-", -0.22), "over seeds": (1.5, ":", 0.22)}

Row = Cell | Claim


@dataclass(frozen=True)
class Panel:
    """A figure to be drawn. `rows` label its lines from the top; a plane has none."""

    title: str
    x: str
    draw: Callable[[Axes], None]
    keys: Sequence[Line2D]
    columns: int = 4
    y: str = ""
    rows: Sequence[str] = ()


def accuracy(section: Section) -> Panel | None:
    """A row a cell, with its intervals, and a row a published number of its method, with the one it came with."""
    methods = sorted({cell.method for cell in section.cells}, key=method_order)
    known: list[Row] = [*section.cells, *section.claims]
    rows = [row for method in methods for row in known if row.method == method]
    colours = _colours(section)

    def draw(axes: Axes) -> None:
        for y, row in enumerate(rows):
            _draw_cell(axes, y, row, colours[row.method]) if isinstance(row, Cell) else _draw_claim(axes, y, row)

    keys = [
        Line2D([], [], color="black", lw=width, ls=dash, label=f"{name}{' (headline)' * (name == 'both')}")
        for name, (width, dash, _) in _INTERVALS.items()
    ]
    published = Line2D(
        [], [], color=_GREY, marker="D", markerfacecolor="white", label="published (its own 95 % interval)"
    )
    title = f"{section.title}: {section.benchmark.measure.name} with 95 % intervals"
    labels = [_label(row) for row in rows]
    return Panel(title, _axis(section, "test"), draw, [*keys, published], rows=labels) if rows else None


def curves(section: Section) -> Panel | None:
    """Validation score by iteration; a line a run. What trains nothing has the curve of another run, not shown."""
    runs = {r.path: _validations(r) for r in section.records if len(r.curve) > 0 and "weights_of" not in r.info}
    shown = [record for record in section.records if len(runs.get(record.path, ()))]
    colours = _colours(section)
    names = {r.path: described_training(BENCHMARKS[r.benchmark], r.training) for r in shown}
    dashes = dict(zip(dict.fromkeys(names.values()), cycle(_DASHES), strict=False))

    def draw(axes: Axes) -> None:
        for record in shown:
            style = {"color": colours[record.method], "ls": dashes[names[record.path]]}
            axes.plot("iteration", "score", data=runs[record.path], lw=1.2, alpha=0.8, **style)
        lasts = [record.training.iterations for record in shown]
        if max(lasts) > _WIDE * min(lasts):
            axes.set_xscale("log")  # or the short runs could not be seen

    keys = [Line2D([], [], color=colours[m], label=m) for m in colours if m in {record.method for record in shown}]
    keys += [Line2D([], [], color="black", ls=dash, label=name) for name, dash in dashes.items()]
    title = f"{section.title}: learning curves, a line a training seed"
    return Panel(title, "iteration (meta-steps)", draw, keys, y=_axis(section, "validation")) if shown else None


def steps(section: Section) -> Panel | None:
    """The score after each inner step, with the headline interval; of one seed, with that over episodes."""
    cells = [cell for cell in section.cells if len(cell.by_step) > 1]
    colours = _colours(section)
    dashes = [_DASHES[[c for c in cells if c.method == cell.method].index(cell) % len(_DASHES)] for cell in cells]

    def draw(axes: Axes) -> None:
        for number, (cell, dash) in enumerate(zip(cells, dashes, strict=True)):
            _draw_steps(axes, cell, 0.07 * (number - (len(cells) - 1) / 2), colours[cell.method], dash)
        axes.xaxis.get_major_locator().set_params(integer=True)

    keys = [
        Line2D([], [], color=colours[cell.method], ls=dash, label=f"{_label(cell)} ({_kind(cell)})")
        for cell, dash in zip(cells, dashes, strict=True)
    ]
    title = f"{section.title}: {section.benchmark.measure.name} by inner step, with 95 % intervals"
    return Panel(title, "inner steps taken at test", draw, keys, 2, _axis(section, "test")) if cells else None


def differences(section: Section) -> Panel | None:
    """A row a pair of methods: the difference on common seeds and episodes, with its interval."""

    def draw(axes: Axes) -> None:
        axes.axvline(0, color="black", lw=1)
        for y, pair in enumerate(section.pairs):
            axes.plot(pair.interval, (y, y), color="C0", lw=3, solid_capstyle="butt")
            axes.plot(pair.paired.difference.value, y, "o", color="C0", ms=6)

    labels = [_pair_label(pair) for pair in section.pairs]
    title = f"{section.title}: methods compared in pairs, with 95 % intervals"
    measure = section.benchmark.measure
    unit = f" ({measure.points})" if measure.unit else ""
    x = f"difference in {measure.name}{unit}; p after Holm's correction"
    return Panel(title, x, draw, [], rows=labels) if labels else None


def _axis(section: Section, split: str) -> str:
    measure = section.benchmark.measure
    return f"{measure.name} on {split} episodes" + f" ({measure.unit})" * bool(measure.unit)


def _draw_cell(axes: Axes, y: int, cell: Cell, colour: str) -> None:
    for name, (width, dash, offset) in _INTERVALS.items():
        faint = 0.5 if name == "both" else 1.0
        axes.plot(
            cell.intervals[name], (y + offset,) * 2, color=colour, lw=width, ls=dash, alpha=faint, solid_capstyle="butt"
        )
    axes.plot(cell.headline.value, y, "o", color=colour, ms=6, zorder=3)


def _draw_claim(axes: Axes, y: int, claim: Claim) -> None:
    half = claim.ci95 or 0
    measure = BENCHMARKS[claim.benchmark].measure
    axes.plot(measure.clipped((claim.accuracy - half, claim.accuracy + half)), (y, y), color=_GREY, lw=1.5)
    axes.plot(claim.accuracy, y, "D", color="white", markeredgecolor=_GREY, ms=6, zorder=3)


def _draw_steps(axes: Axes, cell: Cell, offset: float, colour: str, dash: str) -> None:
    scores = cell.by_step
    estimate = statistics.over_both(scores) if _kind(cell) == "both" else statistics.over_episodes(scores)
    low, high = (np.clip(end, *cell.measure.shown_bounds) for end in estimate.interval())
    x = np.arange(len(scores)) + offset  # beside one another, where intervals would hide each other
    axes.plot(x, estimate.value, color=colour, lw=1.2, ls=dash, marker="o", ms=3.5)
    axes.vlines(x, low, high, color=colour, lw=1.2)


def _kind(cell: Cell) -> str:
    return "both" if len(cell.seeds) > 1 else "over episodes"


def _label(row: Row) -> str:
    if isinstance(row, Claim):
        return _short(f"{row.method}: {words.source(row)}")
    return f"{_short(f'{row.method}, {row.described}')}, {len(row.seeds)} seed{'s' * (len(row.seeds) > 1)}"


def _pair_label(pair: Compared) -> str:
    p = f"p = {words.p_value(pair.holm)}" if pair.holm == pair.holm else pair.paired.kind
    return f"{_short(f'{pair.a.method} − {pair.b.method}, {pair.a.described}')} ({p.replace('= <', '<')})"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _colours(section: Section) -> dict[str, str]:
    """A colour a method, in the order of tables; seaborn's palette for the colour-blind."""
    methods = sorted({record.method for record in section.records}, key=method_order)
    return dict(zip(methods, sns.color_palette("colorblind", len(methods)).as_hex(), strict=True))


def _validations(record: Record) -> pd.DataFrame:
    """The run's validations: iteration, and the score in its unit."""
    factor = BENCHMARKS[record.benchmark].measure.factor
    curve = record.curve[["iteration", "valid_score"]].apply(pd.to_numeric).dropna()
    return pd.DataFrame({"iteration": curve["iteration"], "score": factor * curve["valid_score"]})
