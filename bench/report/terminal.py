"""What a report says in the terminal: ours with the headline interval, claim, difference, verdict."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.cells import Cell
from bench.analysis.pairs import Compared
from bench.analysis.sections import FIRST, Section, command
from bench.analysis.verdicts import NOT_JUDGED, Held, nearest, would_decide
from bench.report import wording

_REASONS_SHOWN = 2


def lines(sections: Sequence[Section]) -> list[str]:
    """A few lines a benchmark, then one for all claims that nothing was run for."""
    return [line for section in sections for line in _section(section)]


def _section(section: Section) -> list[str]:
    heading = [section.title] if section.cells or section.outcomes else []
    cells = [line for cell in section.cells for line in _cell(section, cell)]
    gains = [_gain(pair) for pair in section.gains]
    outcomes = [f"  {line}" for line in section.outcomes]
    return [*heading, *cells, *gains, *outcomes, *_not_run(section)]


def _cell(section: Section, cell: Cell) -> list[str]:
    few = len(cell.seeds)
    kind = "both" if few > 1 else "over episodes"
    measure = cell.measure
    value = f"{cell.headline.value:{measure.form}} {measure.unit or measure.name}"
    score = f"{value} ({wording.ends(cell.intervals[kind], measure.form)}, {kind})"
    whole = cell.predicted or cell.iterations == (cell.record.training.iterations,)
    part = "" if whole else f" after {wording.iterations(cell)} iterations"
    copies = {other.data["digest"] for other in section.cells}
    part += f" on {wording.data(cell)}," if len(copies) > 1 else ""
    first = f"  {cell.method} [{cell.described}]{part} {score}, seeds: {wording.seeds(cell)}"
    first += ", a demonstration" if cell.demonstration else ""
    claims = section.held_against(cell)
    return [first, f"    {_claim(nearest(claims))}" if claims else "    no published number"]


def _gain(pair: Compared) -> str:
    measure, form = pair.a.measure, f"+{pair.a.measure.form}"
    value = f"{pair.paired.difference.value:{form}} {measure.points}"
    interval = f"{wording.ends(pair.interval, form)}, {pair.paired.kind}"
    return f"  {wording.gain(pair)} [{pair.a.described}]: {value} ({interval}), paired"


def _claim(held: Held) -> str:
    measure, form = held.cell.measure, held.cell.measure.form
    source, difference = held.claim.variant or held.claim.source, f"{held.difference:+{form}} {measure.points}"
    claim = f"claim {held.claim.number} ({source}): {difference}"
    if held.verdict != NOT_JUDGED:
        decided_by = f": {would_decide(held.needed)}" if held.needed else ""
        return f"{claim} ({wording.ends(held.interval or (0, 0), f'+{form}')}), {held.verdict}{decided_by}"
    more = len(held.reasons) - _REASONS_SHOWN
    rest = f"; {more} more in report.md" if more > 0 else ""
    return f"{claim}, {held.verdict}: {'; '.join(held.reasons[:_REASONS_SHOWN])}{rest}"


def _not_run(section: Section) -> list[str]:
    """The claim that the project is about, where nothing met it."""
    first = section.claims[0] if section.title == FIRST and section.claims else None
    if first is None or first not in section.unmet:
        return []
    return [f"{FIRST}: claim {first.number} ({first.source}): not run", f"    {command(first)}"]
