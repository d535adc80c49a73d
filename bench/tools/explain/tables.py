"""The effects of factors as tables, a CSV and a figure."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from operator import methodcaller
from pathlib import Path
from types import MappingProxyType

import numpy as np
from matplotlib.axes import Axes

from bench.analysis import paired_tests
from bench.files import write_atomically
from bench.protocols.comparison import different_settings
from bench.protocols.measures import Measure
from bench.report import wording
from bench.report.figures import draw
from bench.report.panel import Mark, Panel, PlannedFigure, centres
from bench.report.tables import Row, Table, markdown, markdown_text
from bench.tools.explain.effects import GAP, PAIR, REST, SUM, Effect, Scores
from bench.tools.explain.factors import FROM, READING, TO, Comparison

_READING = f"""\
All cells are scored on the same test episodes, with the same training seeds, and every effect is paired on both. Its
95 % interval covers *episodes + seeds* (other trainings and other episodes), or, with fewer than three seeds, *these
weights only*.

{wording.EFFECT_KINDS}
p uses the seeds' degrees of freedom and is corrected (Holm) over the rows of factors, pairs and readings; an effect
with p of 0.05 or more is not significant, whatever its size.
"""


def rows(comparison: Comparison, found: Sequence[Effect]) -> list[Row]:
    """One row per effect."""
    form = f"+{comparison.benchmark.measure.form}"
    return [
        {
            "factor": effect.name,
            "kind": effect.kind,
            comparison.benchmark.measure.points: _value(effect, form),
            "95 % interval": wording.ends(effect.interval, form),
            "covers": wording.kind(effect.paired.kind) if effect.paired else wording.NONE,
            "p": wording.p_value(effect.paired.p_value if effect.paired else math.nan),
            "p (Holm)": wording.p_value(effect.holm),
            "significant": effect.significant or wording.NONE,
            "seeds": str(len(effect.seeds)),
            "change": effect.change,
        }
        for effect in found
    ]


def _value(effect: Effect, form: str) -> str:
    return f"{effect.paired.difference.value:{form}}" if effect.paired else "no seed: diverged"


def variants(
    comparison: Comparison, seeds: Sequence[int], scores: Scores, edges: Mapping[str, str] = MappingProxyType({})
) -> list[Row]:
    """One row per variant: its mean score with its interval, the seeds that diverged, and what was chosen at an edge
    (`edges`, by variant), which affects every effect that uses the variant."""
    names, measure = [variant.name for variant in comparison.variants], comparison.benchmark.measure
    found = [_row(name, measure, seeds, scores[name]) for name in names]
    chosen = [{"chosen at an edge": edges.get(name, wording.NONE)} if edges else {} for name in names]
    return [row | more for row, more in zip(found, chosen, strict=True)]


def _row(name: str, measure: Measure, seeds: Sequence[int], scores: Mapping[int, np.ndarray]) -> Row:
    diverged = ", ".join(str(seed) for seed in seeds if seed not in scores) or wording.NONE
    mean = interval = covers = wording.NONE
    if scores:
        matrix = np.stack(list(scores.values()))
        found = paired_tests.paired_difference(matrix, np.zeros_like(matrix))  # by the same rule as for effects
        mean, covers = f"{found.difference.value:{measure.form}}", wording.kind(found.kind)
        interval = wording.ends(measure.clipped(found.difference.interval()), measure.form)
    return {"cell": name, measure.label: mean, "95 % interval": interval, "covers": covers, "diverged seeds": diverged}


def write(
    comparison: Comparison,
    seeds: Sequence[int],
    scores: Scores,
    found: Sequence[Effect],
    edges: Mapping[str, str],
    command: str,
    out: Path,
) -> list[Path]:
    """Writes Markdown, CSV and a figure, and returns their paths. Raises UserError if they cannot be written."""
    stem = (
        out / f"explain-{comparison.start.name}-{comparison.end.name}-{comparison.benchmark.name}-{comparison.method}"
    )
    figure = draw(PlannedFigure("effects", _panel(comparison, found), stem))
    shown = variants(comparison, seeds, scores, edges)
    texts = {".md": _markdown(comparison, shown, found, command, stem.name), ".csv": _csv(comparison, found)}
    for suffix, text in texts.items():
        write_atomically(Path(f"{stem}{suffix}"), methodcaller("write_text", text))
    return [*(Path(f"{stem}{suffix}") for suffix in texts), *figure.files]


def _markdown(comparison: Comparison, shown: Sequence[Row], found: Sequence[Effect], command: str, name: str) -> str:
    start, end = comparison.start, comparison.end
    title = f"From {start.name} to {end.name} on {comparison.benchmark.name}: {comparison.method}"
    tables = [
        Table("what each factor does", rows(comparison, found)),
        Table("the cells", shown),
        Table("the settings that differ, with their sources", different_settings(start, end)),
    ]
    written = [markdown(table) for table in tables if table.rows]
    return "\n".join(
        [f"# {title}\n", f"Made by {markdown_text(command)}\n", _READING, *written, f"![{name}]({name}.svg)\n"]
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
    """A figure with one row per effect, with its interval."""
    form = f"+{comparison.benchmark.measure.form}"
    colours = {GAP: "C0", SUM: "C7", REST: "C7", PAIR: "C1", READING: "C4"}

    def draw(axes: Axes) -> list[Mark]:
        axes.axvline(0, color="black", lw=1)
        return [
            _mark(axes, y, effect, colours.get(effect.kind, "C2"), form)
            for y, effect in zip(centres(labels), found, strict=True)
            if effect.paired is not None
        ]

    several = len({effect.kind for effect in found} & {FROM, TO}) > 1
    labels = [f"{effect.name} ({effect.kind})" if several else effect.name for effect in found]
    measure = comparison.benchmark.measure
    title = f"{comparison.benchmark.name}, {comparison.method}: from {comparison.start.name} to {comparison.end.name}"
    return Panel(title, f"effect on {measure.name} ({measure.points}), with 95 % intervals", draw, [], rows=labels)


def _mark(axes: Axes, y: float, effect: Effect, colour: str, form: str) -> Mark:
    axes.plot(effect.interval, (y, y), color=colour, lw=3, solid_capstyle="butt")
    value = _value(effect, form)
    (point,) = axes.plot(float(value), y, "o", color=colour, ms=6)
    return point, [f"{effect.name}: {value} ({wording.ends(effect.interval, form)})"]
