"""The CSV file of a report: one row per cell, with every interval by name and the nearest claim."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.analysis import anatomy, statistics
from bench.analysis.cells import Cell
from bench.analysis.sections import Section
from bench.analysis.verdicts import Judgement, nearest
from bench.errors import printable
from bench.protocols.comparison import assumed_settings
from bench.report import wording

_FORMULA = ("=", "+", "-", "@")  # a spreadsheet would evaluate text that starts with one of these


def as_csv(origin: str, sections: Sequence[Section]) -> str:
    """The CSV text. `origin`: the folder of the records. Accuracies are in percent, differences and SDs in points;
    squared errors in the square of the target's unit."""
    rows = [
        {"results": origin, **summary(section, cell), **_provenance(cell)}
        for section in sections
        for cell in section.cells
    ]
    text = io.StringIO()
    writer = csv.DictWriter(
        text, list(dict.fromkeys(name for row in rows for name in row)) or ["results"], lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows({name: _cell_text(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def summary(section: Section, cell: Cell) -> dict[str, Any]:
    """A row without provenance: what was run, the estimate with every interval, and the nearest claim's verdict."""
    return {**_run(cell), **_numbers(cell), **_claim(section, cell)}


def _run(cell: Cell) -> dict[str, Any]:
    evaluation, data = cell.evaluated.evaluation, cell.data
    return {
        "benchmark": cell.title,
        "method": cell.method,
        "protocol": cell.described,
        "assumed": tuple(assumed_settings(cell.benchmark, cell.protocol)),
        "data": data["known_as"] or data["name"],
        "data_digest": data["digest"],
        "data_partial": data["partial"],
        "origin": cell.origin and cell.origin["name"],
        "seeds": 0 if cell.origin and not cell.predicted else len(cell.seeds),
        "seed_numbers": () if cell.origin else cell.seeds,
        "diverged_seeds": cell.diverged,
        "iterations": None if cell.predicted else cell.iterations,
        "batch_norm": wording.batch_norm(cell),
        "weights": None if cell.predicted else evaluation.weights,
        "test_episodes": cell.scores.shape[1],
        "queries_per_class": evaluation.queries,
        "demonstration": cell.demonstration,
        "collapsed_seeds": cell.collapsed,
        "chosen_at_an_edge": wording.at_edge(cell),
    }


def _numbers(cell: Cell) -> dict[str, Any]:
    each, name = statistics.per_seed(cell.scores), cell.measure.name.replace(" ", "_")
    ends = {
        f"{name.replace(' ', '_')}_{end}": interval[k]
        for name, interval in cell.intervals.items()
        for k, end in enumerate(("low", "high"))
    }
    return {
        name: float(cell.headline.value),
        **ends,
        f"{name}_per_seed": tuple(each.value),
        "over_episodes_half_width_per_seed": tuple(each.half_width()),
        **(_anatomy(cell) if cell.measure.counted else {}),
    }


def _anatomy(cell: Cell) -> dict[str, Any]:
    shown = cell.by_step[cell.shown_steps]
    parts, steps = (anatomy.of_scores(scores / 100, cell.queries) for scores in (cell.scores, shown))
    crossed = anatomy.components(cell.scores)
    return {
        "sd_between_episodes": 100 * math.sqrt(parts.between),
        "sd_binomial": 100 * math.sqrt(parts.binomial),
        "sd_between_seeds": math.sqrt(crossed.seeds),
        "sd_of_episodes_common_to_seeds": math.sqrt(crossed.episodes),
        "steps_shown": tuple(cell.evaluated.first_step + step for step in cell.shown_steps),
        "sd_between_episodes_by_step": tuple(100 * np.sqrt(steps.between)),
        "sd_binomial_by_step": tuple(100 * np.sqrt(steps.binomial)),
    }


def _claim(section: Section, cell: Cell) -> dict[str, Any]:
    """The columns for the nearest claim; empty if nothing is published for this method."""
    claims = section.held_against(cell)
    held = nearest(claims) if claims else None
    claim = held.claim if held else None
    low, high = (held.interval if held else None) or (None, None)
    return {
        "published": claim and claim.accuracy,
        "published_half_width": claim and claim.ci95,
        "published_half_width_is": claim and claim.ci_meaning,
        "published_source": claim and wording.source(claim),
        "published_protocol": claim and claim.protocol,
        "margin": claim and claim.margin,
        "difference": held and held.difference,
        "difference_low": low,
        "difference_high": high,
        "verdict": held and held.verdict,
        "why": held and held.why,
        "smallest_half_width_90": held and held.smallest_half_width,
        **{f"{what}_that_would_decide": _needed_text(held, what) for what in ("seeds", "episodes")},
    }


def _needed_text(held: Judgement | None, what: str) -> str:
    """A number; `none` if no number would decide; empty if the question does not arise."""
    if held is None or what not in held.needed:
        return ""
    count = held.needed[what]
    return "none" if count is None else str(count)


def _provenance(cell: Cell) -> dict[str, Any]:
    """The columns for provenance; values that differ between seeds are listed once each. Weights trained elsewhere were
    only evaluated here."""
    infos = [evaluated.info if cell.origin else record.info for record, evaluated in cell.runs]
    environments = [info.get("environment", {}) for info in infos]
    return {
        "device": _distinct(info.get("execution", {}).get("device") for info in infos),
        "torch": _distinct(found.get("packages", {}).get("torch") for found in environments),
        "commit": _distinct(
            f"{found.get('commit')}{' (dirty)' if found.get('dirty') else ''}" for found in environments
        ),
        "sources": _distinct(found.get("sources") for found in environments),
        "runs": f"{cell.record.benchmark}/{cell.method}/{cell.record.path.parent.name}",
    }


def _distinct(values: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(str, values)))


def _cell_text(value: Any) -> str:
    """A value as CSV text: six decimals, far below the width of any interval; several values are separated by
    spaces."""
    if isinstance(value, tuple):
        return " ".join(map(_cell_text, value))
    if isinstance(value, float):
        return "" if math.isnan(value) else str(round(float(value), 6))
    text = printable("" if value is None else str(value))
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text
