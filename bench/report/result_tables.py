"""The tables of a section, as text: the content of the Markdown and LaTeX report. A row is column -> text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from math import isfinite

from bench.analysis import statistics
from bench.analysis.cells import Cell
from bench.analysis.intervals import closed_form
from bench.analysis.pairs import Compared
from bench.analysis.sections import Section
from bench.analysis.verdicts import NOT_JUDGED, Judgement, nearest, telling
from bench.protocols.comparison import different_settings, with_sources
from bench.protocols.presets import nearest_preset, value_text
from bench.protocols.protocol import evaluation_hash
from bench.report import anatomy_tables, wording
from bench.report.table_notes import CLAIMS, INTERVALS, PAIRS, RESULTS, SEEDS
from bench.report.tables import Row, Table


@lru_cache(16)  # Markdown, LaTeX and the page all use the tables of each benchmark
def tables(section: Section) -> list[Table]:
    """The tables of a section that have rows: the findings come first, and are not folded."""
    measure, unit = section.benchmark.measure, section.benchmark.measure.unit
    points = f" in {measure.points}" if unit else ""
    found = [
        Table(f"{measure.label} and its 95 % intervals", [_run(section, cell) for cell in section.cells], RESULTS),
        Table("methods compared, paired on common seeds and test episodes", _pairs(section), PAIRS),
        Table(f"published numbers{_in(unit)}, ours minus theirs{points}", _claims(section), CLAIMS, folded=True),
        Table("every interval", [_interval(cell) for cell in section.cells], INTERVALS, folded=True),
        Table("how each result was tested", [_test_row(cell) for cell in section.cells], folded=True),
        Table(
            f"{measure.label} after inner steps, with 95 % intervals",
            [row for cell in section.cells for row in _steps(cell)],
            folded=True,
        ),
        Table(
            "gain from further iterations of the same trainings, paired on seeds and test episodes",
            [_pair(pair, wording.gain(pair.a, pair.b)) for pair in section.gains],
            folded=True,
        ),
        Table(
            f"each training seed{_in(unit)}",
            [row for cell in section.cells for row in _seeds(cell)],
            SEEDS,
            folded=True,
        ),
        *(anatomy_tables.tables(section.cells, section.claims) if measure.counted else []),
    ]
    found += [Table(f"how {name} differs from paper", rows, folded=True) for name, rows in _protocols(section).items()]
    return [replace(table, caption=f"{section.title}: {table.caption}") for table in found if table.rows]


def _in(unit: str) -> str:
    return f" ({unit})" if unit else ""


def _protocols(section: Section) -> dict[str, list[Row]]:
    """Preset -> the settings in which it differs from the paper's, with their sources, for every preset that was
    run."""
    found = {nearest_preset(c.benchmark, c.protocol.training): c.benchmark for c in section.cells}
    return {
        name: different_settings(with_sources(name, benchmark), with_sources("paper", benchmark))
        for name, benchmark in found.items()
        if name != "paper"
    }


def _run(section: Section, cell: Cell) -> Row:
    """A result, what its interval covers, and the nearest published number."""
    form, kind = cell.measure.form, cell.covers
    claims = section.held_against(cell)
    held = nearest(claims) if claims else None
    return {
        "method": cell.method + " (demonstration)" * cell.demonstration + " (collapsed)" * bool(cell.collapsed),
        cell.measure.name: f"{cell.headline.value:{form}}",
        "95 % interval": wording.ends(cell.intervals[kind], form),
        "covers": wording.kind(kind),
        "published": held.claim.number if held else wording.NONE,
        "difference": f"{held.difference:+{form}}" if held else wording.NONE,
        "verdict": held.verdict if held else "no published number",
        "seeds": wording.seeds(cell),
        "protocol": cell.described,
    }


def _interval(cell: Cell) -> Row:
    ends = {wording.kind(name): wording.ends(interval, cell.measure.form) for name, interval in cell.intervals.items()}
    return {
        "method": cell.method,
        cell.measure.name: f"{cell.headline.value:{cell.measure.form}}",
        **ends,
        "protocol": cell.described,
    }


def _test_row(cell: Cell) -> Row:
    return {
        "method": cell.method,
        "test episodes": wording.episodes(cell),
        "iterations": wording.iterations(cell),
        "batch norm": wording.batch_norm(cell),
        "weights": wording.NONE if cell.predicted else cell.evaluated.evaluation.weights,
        "data": wording.data(cell),
        "protocol": cell.described,
    }


def _steps(cell: Cell) -> Iterator[Row]:
    """One row per inner step that the benchmark asks for, as far as the method takes them."""
    for step in cell.benchmark.steps:
        place = step - cell.evaluated.first_step
        if 0 <= place < len(cell.by_step):
            scores = cell.by_step[place]
            intervals = closed_form(scores, cell.measure).items()
            yield {
                "method": cell.method,
                "inner steps": str(step),
                cell.measure.name: f"{scores.mean():{cell.measure.form}}" if isfinite(scores.mean()) else "diverged",
                **{wording.kind(name): wording.ends(interval, cell.measure.form) for name, interval in intervals},
                "protocol": cell.described,
            }


def _claims(section: Section) -> list[Row]:
    """One row per comparison that was judged, and for every other claim its most informative comparison."""
    best = {id(h.claim): h for h in sorted(section.held, key=telling, reverse=True)}
    return [_judgement_row(h) for h in section.held if h.verdict != NOT_JUDGED or best[id(h.claim)] is h]


def _judgement_row(h: Judgement) -> Row:
    smallest, form = h.smallest_half_width, h.cell.measure.form
    return {
        "method": h.claim.method,
        "published": h.claim.number,
        "ours": f"{h.cell.headline.value:{form}}",
        "difference": f"{h.difference:+{form}}",
        "95 % interval": wording.NONE if h.interval is None else wording.ends(h.interval, f"+{form}"),
        "verdict": h.verdict,
        "why": h.why,
        "smallest half-width (90 %)": wording.NONE
        if smallest is None
        else f"{smallest:{form}} (margin {h.claim.margin:g})",
        "source": wording.source(h.claim),
        "protocol": h.cell.described,
    }


def _pairs(section: Section) -> list[Row]:
    return [_pair(pair, f"{pair.a.method} − {pair.b.method}") for pair in section.pairs]


def _pair(pair: Compared, difference: str) -> Row:
    a, b, form = pair.a.described, pair.b.described, pair.a.measure.form
    return {
        "difference": difference,
        pair.a.measure.points: f"{pair.paired.difference.value:+{form}}",
        "95 % interval": wording.ends(pair.interval, f"+{form}"),
        "covers": wording.kind(pair.paired.kind),
        "p": wording.p_value(pair.paired.p_value),
        "p (Holm)": wording.p_value(pair.holm),
        "chosen at an edge": _edges(pair),
        "common seeds": str(len(pair.seeds)),
        "test episodes": str(pair.episodes),
        "protocol": a if a == b else f"{a} / {b}",
    }


def _edges(pair: Compared) -> str:
    """What either method chose at an edge of its range: a better value might lie beyond."""
    found = {f"{cell.method}, {wording.at_edge(cell)}": None for cell in (pair.a, pair.b) if cell.edges}
    return "; ".join(found) or wording.NONE


def _seeds(cell: Cell) -> Iterator[Row]:
    each, form = statistics.per_seed(cell.scores), cell.measure.form
    for (record, evaluated), value, half in zip(cell.runs, each.value, each.half_width(), strict=True):
        chosen = ", ".join(f"{name}={value_text(v)}" for name, v in evaluated.info.get("setting", {}).items())
        width = f" ± {half:{form}}" if half else " (no interval)"
        yield {
            "run": record.name,
            f"{cell.measure.name}, over episodes": f"{value:{form}}{width}",
            "at inner step": str(evaluated.inner_step),
            "chosen on validation": chosen or wording.NONE,
            "at the edge of the range": cell.edges.get(record.seed, wording.NONE),
            "iterations": str(evaluated.iteration),
            "evaluation": evaluation_hash(evaluated.evaluation),
            "protocol": cell.described,
        }
