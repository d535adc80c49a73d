"""The tables of a section, as text: what the Markdown and the LaTeX of a report hold. A row is column -> text."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite

from bench.analysis import statistics
from bench.analysis.cells import Cell
from bench.analysis.claims import Claim
from bench.analysis.pairs import Compared
from bench.analysis.sections import Section, command
from bench.analysis.verdicts import Held
from bench.protocols.comparison import different_settings, sourced
from bench.protocols.naming import nearest_preset, written
from bench.protocols.protocol import evaluation_hash
from bench.report import anatomy_tables, wording
from bench.report.tables import Row, Table


def tables(section: Section) -> list[Table]:
    """Those of a section that have rows."""
    measure, unit = section.benchmark.measure, section.benchmark.measure.unit
    points = f" in {measure.points}" if unit else ""
    found = {
        f"{measure.label} and its 95 % intervals": [_run(cell) for cell in section.cells],
        f"{measure.label} after inner steps, with 95 % intervals": [row for c in section.cells for row in _steps(c)],
        f"published numbers{_in(unit)}, ours minus theirs{points}": [
            row for c in section.claims for row in _claim(section, c)
        ],
        "methods compared, paired on common seeds and test episodes": [
            _pair(pair, f"{pair.a.method} - {pair.b.method}") for pair in section.pairs
        ],
        "what further iterations of the same trainings gain, paired on seeds and test episodes": [
            _pair(pair, wording.gain(pair)) for pair in section.gains
        ],
        f"each training seed{_in(unit)}, the papers' kind of interval": [
            row for cell in section.cells for row in _seeds(cell)
        ],
        **anatomy_tables.tables(section),
    }
    found |= {f"how {name} differs from paper": rows for name, rows in _protocols(section).items()}
    return [Table(f"{section.title}: {caption}", tuple(rows)) for caption, rows in found.items() if rows]


def _in(unit: str) -> str:
    return f" ({unit})" if unit else ""


def _protocols(section: Section) -> dict[str, list[Row]]:
    """Preset -> its settings that are not the paper's, with their sources, for every preset that was run."""
    found = {nearest_preset(c.benchmark, c.protocol.training): c.benchmark for c in section.cells}
    return {
        name: different_settings(sourced(name, benchmark), sourced("paper", benchmark))
        for name, benchmark in found.items()
        if name != "paper"
    }


def _run(cell: Cell) -> Row:
    form = cell.measure.form
    ends = {name: wording.ends(interval, form) for name, interval in cell.intervals.items()}
    return {
        "method": cell.method + " (demonstration)" * cell.demonstration,
        "protocol": cell.described,
        "seeds": wording.seeds(cell),
        "iterations": wording.iterations(cell),
        "batch norm": wording.batch_norm(cell),
        "weights": wording.NONE if cell.predicted else cell.evaluated.evaluation.weights,
        "test episodes": wording.episodes(cell),
        cell.measure.name: f"{cell.headline.value:{form}}",
        "both (headline)": ends.pop("both"),
        **ends,
        "data": wording.data(cell),
    }


def _steps(cell: Cell) -> Iterator[Row]:
    """Where the benchmark asks for it, a row an inner step, as far as the method takes them."""
    for step in cell.benchmark.steps:
        if step < len(cell.by_step):
            scores = cell.by_step[step]
            ends = {
                name: wording.ends(interval, cell.measure.form) for name, interval in cell.intervals_of(scores).items()
            }
            yield {
                "method": cell.method,
                "protocol": cell.described,
                "inner steps": str(step),
                cell.measure.name: f"{scores.mean():{cell.measure.form}}" if isfinite(scores.mean()) else "diverged",
                **ends,
            }


def _claim(section: Section, claim: Claim) -> list[Row]:
    """A row a cell of the claim's method, or the one that says it was not run."""
    return [_held(h) for h in section.held if h.claim is claim] or [_not_run(claim)]


def _held(h: Held) -> Row:
    smallest, form = h.smallest_half_width, h.cell.measure.form
    return _claim_row(
        h.claim,
        f"{h.cell.headline.value:{form}}",
        h.cell.described,
        wording.seeds(h.cell),
        f"{h.difference:+{form}}",
        wording.NONE if h.interval is None else wording.ends(h.interval, f"+{form}"),
        h.verdict,
        h.why,
        wording.NONE if smallest is None else f"{smallest:{form}} (margin {h.claim.margin:g})",
    )


def _not_run(claim: Claim) -> Row:
    why = command(claim) or "published context: its protocol is not known here"
    return _claim_row(claim, "not run", *5 * (wording.NONE,), why, wording.NONE)


def _claim_row(claim: Claim, *rest: str) -> Row:
    names = ("ours", "protocol", "seeds", "difference", "95 % interval", "verdict", "why", "smallest half-width (90 %)")
    published = {"method": claim.method, "published": claim.number, "source": wording.source(claim)}
    return published | dict(zip(names, rest, strict=True))


def _pair(pair: Compared, difference: str) -> Row:
    a, b, form = pair.a.described, pair.b.described, pair.a.measure.form
    return {
        "difference": difference,
        "protocol": a if a == b else f"{a} / {b}",
        "common seeds": str(len(pair.seeds)),
        "test episodes": str(pair.episodes),
        pair.a.measure.points: f"{pair.paired.difference.value:+{form}}",
        "95 % interval": wording.ends(pair.interval, f"+{form}"),
        "which": pair.paired.kind,
        "p": wording.p_value(pair.paired.p_value),
        "p (Holm)": wording.p_value(pair.holm),
    }


def _seeds(cell: Cell) -> Iterator[Row]:
    each, form = statistics.per_seed(cell.scores), cell.measure.form
    for (record, evaluated), value, half in zip(cell.runs, each.value, each.half_width(), strict=True):
        chosen = ", ".join(f"{name}={written(v)}" for name, v in evaluated.info.get("setting", {}).items())
        width = f" ± {half:{form}}" if half else " (no interval)"
        yield {
            "run": record.name,
            "evaluation": evaluation_hash(evaluated.evaluation),
            "iterations": str(evaluated.iteration),
            "protocol": cell.described,
            f"{cell.measure.name}, over episodes": f"{value:{form}}{width}",
            "at inner step": str(evaluated.step),
            "chosen on validation": chosen or wording.NONE,
        }
