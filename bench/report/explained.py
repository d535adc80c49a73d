"""What each factor between two protocols does to the scores: paired effects, as tables, a CSV and a figure."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from bench import statistics
from bench.factors import FROM, READING, TO, Comparison
from bench.records import write_atomically
from bench.report import words
from bench.report.figures import draw_panel
from bench.report.panels import Panel
from bench.report.sourced import different_settings
from bench.report.tables import Row, Table, markdown, markdown_text

Scores = Mapping[str, Mapping[int, np.ndarray]]  # cell -> seed -> [episodes], as they are shown
GAP, SUM, REST = "gap", "sum", "rest"

_READING = """\
All cells are scored on the same test episodes, with the same training seeds; every effect is paired on both, and its
interval, at 95 %, is that of other trainings *and* other episodes ("both"), or of these models only, under three seeds.
One factor is changed at a time: *from* changes it in the start alone, *to* takes it away from the end alone. Factors
act on one another, so the parts need not add up to the gap: what is left is shown with an interval of its own. A
*reading* lies outside the gap: the other thing that a source says which says two. p is corrected (Holm) over the rows
of factors and readings.
"""


@dataclass(frozen=True)
class Effect:
    """A difference of cells. `kind`: FROM, TO, READING, or GAP, SUM, REST; `paired` is None where no seed has all."""

    name: str
    kind: str
    change: str
    difference: str
    seeds: tuple[int, ...]
    episodes: int
    paired: statistics.Paired | None
    holm: float = math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, as scores are shown; NaN where there is none."""
        if self.paired is None:
            return math.nan, math.nan
        low, high = self.paired.difference.interval()
        return float(low), float(high)


def effects(comparison: Comparison, scores: Scores) -> list[Effect]:
    """The gap; each factor, the greatest first, with their sum and what that leaves of the gap; the readings."""
    start, end = comparison.start.name, comparison.end.name
    gap = _effect(f"{end} - {start}", GAP, "everything", {end: 1, start: -1}, scores)
    parts = [
        _effect(part.factor.name, part.kind, part.change, {part.plus: 1, part.minus: -1}, scores)
        for part in comparison.parts
    ]
    parts = sorted(_corrected(parts), key=lambda effect: -_size(effect))
    rows = [gap]
    for kind in (FROM, TO):
        mine = [part for part in comparison.parts if part.kind == kind]
        rows += [effect for effect in parts if effect.kind == kind]
        rows += _summed(comparison, kind, [(part.plus, part.minus) for part in mine], scores) if mine else []
    return rows + [effect for effect in parts if effect.kind == READING]


def _effect(name: str, kind: str, change: str, weights: Mapping[str, int], scores: Scores) -> Effect:
    """The weighted sum of cells, on the seeds and the first test episodes that all of them have."""
    used = {cell: weight for cell, weight in weights.items() if weight}
    seeds = sorted(set.intersection(*(set(scores[cell]) for cell in used))) if used else []
    difference = " ".join(f"{'+' if weight > 0 else '-'} {cell}" for cell, weight in used.items()).removeprefix("+ ")
    if not seeds:
        return Effect(name, kind, change, difference, (), 0, None)
    episodes = min(len(scores[cell][seed]) for cell in used for seed in seeds)
    found = sum(w * np.stack([scores[cell][seed][:episodes] for seed in seeds]) for cell, w in used.items())
    paired = statistics.paired(found, np.zeros_like(found))
    return Effect(name, kind, change, difference, tuple(seeds), episodes, paired)


def _summed(comparison: Comparison, kind: str, parts: Sequence[tuple[str, str]], scores: Scores) -> list[Effect]:
    weights: dict[str, int] = {}
    for plus, minus in parts:
        weights[plus] = weights.get(plus, 0) + 1
        weights[minus] = weights.get(minus, 0) - 1
    total = _effect("sum of the parts", SUM, f"every factor of kind {kind}", weights, scores)
    left = {cell: -weight for cell, weight in weights.items()}
    left[comparison.end.name] = left.get(comparison.end.name, 0) + 1
    left[comparison.start.name] = left.get(comparison.start.name, 0) - 1
    why = "what the factors do to one another" if comparison.whole else "that, and the factors not asked for"
    return [total, _effect("rest of the gap", REST, why, left, scores)]


def _corrected(parts: Sequence[Effect]) -> list[Effect]:
    p_values = {k: part.paired.p_value for k, part in enumerate(parts) if part.paired is not None}
    tested = [k for k, p in p_values.items() if not math.isnan(p)]
    corrected = dict(zip(tested, statistics.holm([p_values[k] for k in tested]), strict=True))
    return [replace(part, holm=corrected.get(k, math.nan)) for k, part in enumerate(parts)]


def _size(effect: Effect) -> float:
    return -math.inf if effect.paired is None else abs(float(effect.paired.difference.value))


def rows(comparison: Comparison, found: Sequence[Effect]) -> list[Row]:
    """A row an effect."""
    form = f"+{comparison.benchmark.measure.form}"
    return [
        {
            "factor": effect.name,
            "kind": effect.kind,
            comparison.benchmark.measure.points: _value(effect, form),
            "95 % interval": words.ends(effect.interval, form),
            "which": effect.paired.kind if effect.paired else words.NONE,
            "p": words.p_value(effect.paired.p_value if effect.paired else math.nan),
            "p (Holm)": words.p_value(effect.holm),
            "seeds": str(len(effect.seeds)),
            "change": effect.change,
        }
        for effect in found
    ]


def _value(effect: Effect, form: str) -> str:
    return f"{effect.paired.difference.value:{form}}" if effect.paired else "no seed: diverged"


def cells(comparison: Comparison, scores: Scores) -> list[Row]:
    """A row a cell: its mean score with the interval over seeds and episodes, and what diverged."""
    measure = comparison.benchmark.measure
    seeds = sorted({seed for of_cell in scores.values() for seed in of_cell})
    return [
        {
            "cell": cell.name,
            measure.label: _mean(scores[cell.name], measure.form),
            "diverged seeds": ", ".join(str(s) for s in seeds if s not in scores[cell.name]) or words.NONE,
        }
        for cell in comparison.cells
    ]


def _mean(of_cell: Mapping[int, np.ndarray], form: str) -> str:
    if not of_cell:
        return words.NONE
    matrix = np.stack(list(of_cell.values()))
    estimate = statistics.over_both(matrix) if len(of_cell) > 1 else statistics.over_episodes(matrix)
    return f"{matrix.mean():{form}} ({words.ends(estimate.interval(), form)})"


def write(comparison: Comparison, scores: Scores, found: Sequence[Effect], command: str, out: Path) -> list[Path]:
    """The files: Markdown, CSV and a figure. Raises UserError where they cannot be written."""
    stem = (
        out / f"explain-{comparison.start.name}-{comparison.end.name}-{comparison.benchmark.name}-{comparison.method}"
    )
    figure = draw_panel(_panel(comparison, found), stem)
    texts = {".md": _markdown(comparison, scores, found, command, stem.name), ".csv": _csv(comparison, found)}
    for suffix, text in texts.items():
        write_atomically(Path(f"{stem}{suffix}"), lambda path, text=text: path.write_text(text))
    return [*(Path(f"{stem}{suffix}") for suffix in texts), *figure]


def _markdown(comparison: Comparison, scores: Scores, found: Sequence[Effect], command: str, name: str) -> str:
    start, end = comparison.start, comparison.end
    title = f"From {start.name} to {end.name} on {comparison.benchmark.name}: {comparison.method}"
    tables = [
        Table("what each factor does", rows(comparison, found)),
        Table("the cells", cells(comparison, scores)),
        Table("the settings that differ, with their sources", different_settings(start, end)),
    ]
    written = [markdown(table) for table in tables if table.rows]
    return "\n".join(
        [f"# {title}\n", f"Made by {markdown_text(command)}\n", _READING, *written, f"![{name}]({name}.png)\n"]
    )


def _csv(comparison: Comparison, found: Sequence[Effect]) -> str:
    text = io.StringIO()
    names = ("benchmark", "method", "from", "to", "factor", "kind", "change", "difference", "value", "low", "high")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*names, "interval", "p", "p_holm", "seeds", "test_episodes"])
    about = (comparison.benchmark.name, comparison.method, comparison.start.name, comparison.end.name)
    for effect in found:
        paired = effect.paired
        numbers = (paired.difference.value, *effect.interval) if paired else (math.nan,) * 3
        tested = (paired.kind, paired.p_value) if paired else ("", math.nan)
        named = (effect.name, effect.kind, effect.change, effect.difference)
        writer.writerow(
            [
                *about,
                *named,
                *map(_number, numbers),
                tested[0],
                _number(tested[1]),
                _number(effect.holm),
                " ".join(map(str, effect.seeds)),
                effect.episodes,
            ]
        )
    return text.getvalue()


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{float(value):.6g}"


def _panel(comparison: Comparison, found: Sequence[Effect]) -> Panel:
    """A row an effect, with its interval."""
    colours = {GAP: "C0", SUM: "C7", REST: "C7", READING: "C4"}

    def draw(axes: Axes) -> None:
        axes.axvline(0, color="black", lw=1)
        for y, effect in enumerate(found):
            colour = colours.get(effect.kind, "C2")
            axes.plot(effect.interval, (y, y), color=colour, lw=3, solid_capstyle="butt")
            if effect.paired is not None:
                axes.plot(float(effect.paired.difference.value), y, "o", color=colour, ms=6)

    several = len({effect.kind for effect in found} & {FROM, TO}) > 1
    labels = [f"{effect.name} ({effect.kind})" if several else effect.name for effect in found]
    measure = comparison.benchmark.measure
    title = f"{comparison.benchmark.name}, {comparison.method}: from {comparison.start.name} to {comparison.end.name}"
    return Panel(title, f"effect on {measure.name} ({measure.points}), with 95 % intervals", draw, [], rows=labels)
