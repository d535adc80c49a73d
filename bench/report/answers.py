"""The answer of a report: every published number once, and what came of it, or what would tell.

Only the runs of one folder answer together, a `Part`: this project's own, where they lie apart, are another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.analysis.cells import Cell
from bench.analysis.claims import Claim
from bench.analysis.sections import Section, command
from bench.analysis.verdicts import NOT_JUDGED, Judgement, telling
from bench.protocols.benchmarks import FIRST, place
from bench.records.contents import Record
from bench.report import cost, wording
from bench.report.tables import Row, Table

NOT_RUN = "not run"
JUDGED = ("agrees", "differs", "inconclusive")
_ASKED = ("command", "training takes")
VERDICTS = (*JUDGED, NOT_JUDGED, NOT_RUN)
OWN = "This project's own runs, not yours"  # what stands above a part that is `reference`


@dataclass(frozen=True)
class Answer:
    """One claim, and the cell of its method that tells most about it; None: nothing was run for it."""

    claim: Claim
    held: Judgement | None

    @property
    def verdict(self) -> str:
        """One of `VERDICTS`."""
        return self.held.verdict if self.held else NOT_RUN


@dataclass(frozen=True)
class Part:
    """Where records lie, what they say, and what they answer. `reference`: this project's own, shown apart: they
    answer for nobody else's."""

    origin: str
    sections: Sequence[Section]
    answers: Sequence[Answer]
    reference: bool = False

    @property
    def records(self) -> list[Record]:
        """All of them, which also tell how long a training takes."""
        return [record for section in self.sections for record in section.records]

    @property
    def judged(self) -> list[Answer]:
        """The answers that are verdicts."""
        return [answer for answer in self.answers if answer.verdict in JUDGED]


def answered(sections: Sequence[Section], claims: Iterable[Claim]) -> list[Answer]:
    """Each claim once, by benchmark; the one that the project is about comes first."""
    held: dict[int, list[Judgement]] = {}
    for section in sections:
        for h in section.held:
            held.setdefault(id(h.claim), []).append(h)
    ordered = sorted(claims, key=lambda claim: (place(claim.benchmark), not claim.central))
    return [Answer(claim, min(held.get(id(claim), ()), key=telling, default=None)) for claim in ordered]


def headline(found: Sequence[Answer]) -> Answer | None:
    """The claim that the project is about, whatever came of it; None where the report is not about it."""
    return next((a for a in found if a.claim.benchmark == FIRST and a.claim.central), None)


def headline_table(parts: Sequence[Part]) -> Table | None:
    """The number that the project is about, and what came of it; None where the report is not about it."""
    found = headline(parts[0].answers)
    return Table("The number that this project is about", [row(found, timed(parts))]) if found else None


def timed(parts: Sequence[Part]) -> list[Record]:
    """The records that tell how long a training takes: the user's own, or where there are none, the project's."""
    return [record for part in parts for record in part.records]


def summary(found: Sequence[Answer]) -> str:
    """The whole answer in a sentence."""
    counts = Counter(answer.verdict for answer in found)
    told = ", ".join(f"{verdict} {counts[verdict]}" for verdict in VERDICTS)
    return f"{len(found)} published number{'s' * (len(found) != 1)}: {told}."


def tables(found: Sequence[Answer], records: Sequence[Record]) -> list[Table]:
    """The tables that have rows: judged; compared and not judged; not run, with the command for a verdict; and not run,
    their protocols not known. `records` tell the hours."""
    judged = [a for a in found if a.verdict in JUDGED]
    compared = [a for a in found if a.verdict == NOT_JUDGED]
    missing = [a.claim for a in found if a.verdict == NOT_RUN]
    known, unknown = ([c for c in missing if bool(c.protocol) is has] for has in (True, False))
    parts = [
        (f"Judged: {len(judged)}", [_compared(a) for a in judged]),
        (f"Compared, not judged: {len(compared)}", [_compared(a) for a in compared]),
        (f"Not run, with the command that would give a verdict: {len(known)}", [_open(c, records) for c in known]),
        (f"Not run, protocol unknown here: {len(unknown)}", [_published(c) for c in unknown]),
    ]
    return [Table(caption, rows, folded=number > 0) for number, (caption, rows) in enumerate(parts) if rows]


def row(answer: Answer, records: Sequence[Record]) -> Row:
    """A claim by itself: what came of it, and the command for a verdict."""
    asked = _open(answer.claim, records)
    return _compared(answer) | {name: asked[name] for name in _ASKED} if answer.held else asked


def _compared(answer: Answer) -> Row:
    h = answer.held
    assert h is not None
    form = f"+{h.cell.measure.form}"
    ends = "" if h.interval is None else f" ({wording.ends(h.interval, form)})"
    return {
        "benchmark": h.cell.title,
        "method": h.claim.method,
        "published": h.claim.number,
        "ours": _ours(h.cell),
        "difference": f"{h.difference:{form}}{ends}",
        "verdict": h.verdict,
        "why": h.why,
        "source": wording.source(h.claim),
        "protocol": h.cell.described,
    }


def _ours(cell: Cell) -> str:
    ends = wording.ends(cell.intervals[cell.covers], cell.measure.form)
    said = f"{ends}, {wording.kind(cell.covers)}{'; a demonstration' * cell.demonstration}"
    return f"{cell.headline.value:{cell.measure.form}} ({said})"


def _open(claim: Claim, records: Sequence[Record]) -> Row:
    """What would judge it, and how long that takes."""
    takes = cost.hours(claim, records) or "unknown: measure with --dry-run"
    return _published(claim) | {"verdict": NOT_RUN, **dict(zip(_ASKED, (command(claim), takes), strict=True))}


def _published(claim: Claim) -> Row:
    return {
        "benchmark": claim.benchmark,
        "method": claim.method,
        "published": claim.number,
        "source": wording.source(claim),
    }
