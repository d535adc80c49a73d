"""The report in the terminal: our result with its headline interval, the claim, the difference and the verdict."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.cells import Cell
from bench.analysis.pairs import Compared
from bench.analysis.sections import Section, command
from bench.analysis.verdict_reasons import would_decide
from bench.analysis.verdicts import NOT_JUDGED, Judgement, nearest
from bench.report import wording
from bench.report.answers import OWN, Answer, ReportPart, headline, summary

_REASONS_SHOWN = 2


def lines(parts: Sequence[ReportPart]) -> list[str]:
    """A few lines per benchmark, one for all published numbers, and separately the verdicts on this project's own
    runs."""
    mine, *others = parts
    found = [f"{mine.origin}:{'' if mine.records else ' no runs yet'}", *_headline(mine)]
    found += [line for section in mine.sections for line in _section(section)]
    if mine.answers:  # none if an experiment's benchmarks have no published number
        found.append(f"{summary(mine.answers)} report.md lists those not run.")
    return found + [line for part in others for line in [f"{OWN}, in {part.origin}:", *map(_own, part.judged)]]


def _section(section: Section) -> list[str]:
    heading = [section.title] if section.cells or section.outcomes else []
    cells = [line for cell in section.cells for line in _cell(section, cell)]
    gains = [_gain(pair) for pair in section.gains]
    outcomes = [f"  {line}" for line in section.outcomes]
    return [*heading, *cells, *gains, *outcomes]


def _cell(section: Section, cell: Cell) -> list[str]:
    measure, interval = cell.measure, cell.intervals[cell.covers]
    value = f"{cell.headline.value:{measure.form}} {measure.unit or measure.name}"
    known = interval[0] == interval[0]
    score = f"{value} ({wording.ends(interval, measure.form)}, {wording.kind(cell.covers)})" if known else value
    whole = cell.predicted or cell.iterations == (cell.record.training.iterations,)
    part = "" if whole else f" after {wording.iterations(cell)} iterations"
    copies = {other.data["digest"] for other in section.cells}
    part += f" on {wording.data(cell)}," if len(copies) > 1 else ""
    first = f"  {cell.method} [{cell.described}]{part} {score}, seeds: {wording.seeds(cell)}"
    first += ", a demonstration" if cell.demonstration else ""
    claims = section.held_against(cell)
    edges = [f"    chosen on validation at the edge of the range: {wording.at_edge(cell)}"] if cell.edges else []
    return [first, f"    {_claim(nearest(claims))}" if claims else "    no published number", *edges]


def _gain(pair: Compared) -> str:
    measure, form = pair.a.measure, f"+{pair.a.measure.form}"
    value = f"{pair.paired.difference.value:{form}} {measure.points}"
    interval = f"{wording.ends(pair.interval, form)}, {wording.kind(pair.paired.kind)}"
    return f"  {wording.gain(pair.a, pair.b)} [{pair.a.described}]: {value} ({interval}), paired"


def _claim(held: Judgement) -> str:
    measure, form = held.cell.measure, held.cell.measure.form
    source, difference = held.claim.variant or held.claim.source, f"{held.difference:+{form}} {measure.points}"
    claim = f"claim {held.claim.number} ({source}): {difference}"
    if held.verdict != NOT_JUDGED:
        decided_by = f": {would_decide(held.needed)}" if held.needed else ""
        return f"{claim} ({wording.ends(held.interval or (0, 0), f'+{form}')}), {held.verdict}{decided_by}"
    more = len(held.reasons) - _REASONS_SHOWN
    rest = f"; {more} more in report.md" if more > 0 else ""
    return f"{claim}, {held.verdict}: {'; '.join(held.reasons[:_REASONS_SHOWN])}{rest}"


def _headline(part: ReportPart) -> list[str]:
    """The number that this project is about, if nothing was compared with it."""
    first = headline(part.answers)
    if first is None or first.held is not None:
        return []
    claim = first.claim
    return [f"{claim.benchmark}: claim {claim.number} ({claim.source}): not run", f"    {command(claim)}"]


def _own(answer: Answer) -> str:
    assert answer.held is not None
    return f"  {answer.claim.method} on {answer.held.cell.title}: {_claim(answer.held)}"
