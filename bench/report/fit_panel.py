"""The figure of function fits, like Figure 2 of Finn et al. (2017)."""

from __future__ import annotations

from functools import partial

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from bench.analysis.cells import Cell
from bench.analysis.function_fit import Fit, fit
from bench.analysis.sections import Section
from bench.report.panel import Mark, Panel

_DASHES = {"before adaptation": ":", "after one step": "--", "after the last step": "-"}
_LINE, _POINT = "C0", "C3"


def fits(section: Section) -> Panel | None:
    """The first test function, as the first model of each method fits it."""
    found = {cell.method: (cell, fit(cell.evaluated)) for cell in reversed(section.cells)}  # the first cell of a method
    draws = [partial(_draw, cell=cell, fit=kept) for cell, kept in reversed(found.values()) if kept is not None]
    keys = [Line2D([], [], color="black", label="the function")]
    keys += [Line2D([], [], color=_POINT, marker="^", ls="", label="support")]
    keys += [Line2D([], [], color=_LINE, ls=dash, label=name) for name, dash in _DASHES.items()]
    title = f"{section.title}: the first test function, as one model of each method fits it"
    return Panel(title, "", draws[0], keys, "y", beside=draws[1:]) if draws else None


def _draw(axes: Axes, cell: Cell, fit: Fit) -> list[Mark]:
    shown = dict(zip((min(fit.outputs), 1, max(fit.outputs)), _DASHES.values(), strict=True))
    axes.plot(fit.inputs, fit.targets, color="black", lw=1)
    for step, dash in shown.items():
        if step in fit.outputs:
            axes.plot(fit.inputs, fit.outputs[step], color=_LINE, lw=1.4, ls=dash)
    (points,) = axes.plot(*fit.support.T, "^", color=_POINT, ms=6, zorder=3)
    axes.set_xlabel(f"x: {cell.method}, seed {cell.seeds[0]}")
    return [(points, [f"{cell.method}, support: y = {y:.2f} at x = {x:.2f}" for x, y in fit.support])]
