"""One LaTeX table for a paper: method by benchmark, each result with its ± and a mark for its verdict."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.analysis.cells import Cell
from bench.analysis.sections import Section
from bench.analysis.statistics import over_episodes
from bench.analysis.verdicts import NOT_JUDGED, Judgement, nearest, telling
from bench.protocols import known_methods
from bench.report.tables import latex_text

_MARKS = {"agrees": r"\checkmark", "differs": r"\neq", "inconclusive": "?"}
_CAPTION = (
    "Results, with the published number below each. $\\pm$: half-width of the 95\\,\\% interval over seeds and "
    "episodes; $\\dagger$: one seed, over its episodes only. $\\checkmark$: agrees with the published number; "
    "$\\neq$: differs; ?: inconclusive; no mark: not judged. If there are several protocols: the one "
    "nearest to a published number."
)


def matrix(sections: Sequence[Section]) -> str:
    """A `table*` with booktabs rules; empty if there are no results."""
    shown = [section for section in sections if section.cells]
    chosen = {(s.title, method): _most_informative(s, method) for s in shown for method in {c.method for c in s.cells}}
    methods = sorted({method for _, method in chosen}, key=known_methods.order)
    if not methods:
        return ""
    rows = [line for method in methods for line in _rows(method, [chosen.get((s.title, method)) for s in shown])]
    head = " & ".join(["method", *(latex_text(section.title) for section in shown)])
    return "\n".join(
        [
            r"\begin{table*}",
            r"\centering",
            rf"\caption{{{_CAPTION}}}",
            rf"\begin{{tabular}}{{l{'c' * len(shown)}}}",
            *(r"\toprule", rf"{head} \\", r"\midrule", *rows, r"\bottomrule"),
            r"\end{tabular}",
            r"\end{table*}",
            "",
        ]
    )


def _most_informative(section: Section, method: str) -> tuple[Cell, Judgement | None]:
    """A method's result with the most informative comparison to a published number, else the one with the most
    training."""
    cells = [cell for cell in section.cells if cell.method == method]
    held = [h for h in section.held if h.cell in cells]
    if not held:
        return max(cells, key=lambda cell: (max(cell.iterations), len(cell.seeds))), None
    cell = min(held, key=telling).cell
    return cell, nearest(section.held_against(cell))


def _rows(method: str, found: Sequence[tuple[Cell, Judgement | None] | None]) -> list[str]:
    ours = " & ".join([latex_text(method), *(_ours(*each) if each else "--" for each in found)])
    published = [latex_text(each[1].claim.number) if each and each[1] else "" for each in found]
    theirs = " & ".join([r"\quad published", *published])
    return [rf"{ours} \\"] + [rf"{theirs} \\"] * any(published)


def _ours(cell: Cell, held: Judgement | None) -> str:
    form, estimate = cell.measure.form, cell.headline if len(cell.seeds) > 1 else over_episodes(cell.scores)
    # Not half of the interval that tables show, which ends at the measure's bounds; none if all scores are equal.
    half = rf" \pm {estimate.half_width():{form}}" if np.ptp(cell.scores) else ""
    mark = rf"^{{{_MARKS[held.verdict]}}}" if held and held.verdict != NOT_JUDGED else ""
    alone = r"\,\dagger" if len(cell.seeds) == 1 else ""
    return f"${cell.headline.value:{form}}{half}{mark}{alone}$"
