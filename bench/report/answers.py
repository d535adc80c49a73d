"""The main result of a report: every published number once, with the verdict or what is needed for one.

Only runs in one folder are judged together, as a `ReportPart`; this project's own runs, in another folder, are another
part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.analysis.cells import Cell
from bench.analysis.claims import Claim
from bench.analysis.sections import Section, command
from bench.analysis.verdicts import NOT_JUDGED, Judgement, against_any_run, telling
from bench.protocols.benchmarks import FIRST, place
from bench.records.contents import Record
from bench.report import cost, wording
from bench.report.cost import TimedStep, Times
from bench.report.tables import Row, Table

NOT_RUN = "not run"
JUDGED = ("agrees", "differs", "inconclusive")
_ASKED = ("command", "training takes")
VERDICTS = (*JUDGED, NOT_JUDGED, NOT_RUN)
OWN = "This project's own runs, not yours"  # the heading of a part with `reference` set


@dataclass(frozen=True)
class Answer:
    """One claim, and its most informative comparison with a cell; None if nothing was run for it."""

    claim: Claim
    held: Judgement | None

    @property
    def verdict(self) -> str:
        """One of `VERDICTS`."""
        return self.held.verdict if self.held else NOT_RUN


@dataclass(frozen=True)
class ReportPart:
    """A folder of records, their analysis and their answers; `steps`: the meta-steps that were timed there.
    `reference`: this project's own runs, which are shown separately and never judge the user's claims."""

    origin: str
    sections: Sequence[Section]
    answers: Sequence[Answer]
    steps: Sequence[TimedStep] = ()
    reference: bool = False

    @property
    def records(self) -> list[Record]:
        """All records."""
        return [record for section in self.sections for record in section.records]

    @property
    def times(self) -> Times:
        """What shows how long trainings take."""
        return Times(self.records, self.steps)

    @property
    def judged(self) -> list[Answer]:
        """The answers with a verdict."""
        return [answer for answer in self.answers if answer.verdict in JUDGED]


def answer_claims(sections: Sequence[Section], claims: Iterable[Claim]) -> list[Answer]:
    """Each claim once, ordered by benchmark; within one, the number that this project is about comes first."""
    held: dict[int, list[Judgement]] = {}
    for section in sections:
        for h in section.held:
            held.setdefault(id(h.claim), []).append(h)
    ordered = sorted(claims, key=lambda claim: (place(claim.benchmark), not claim.central))
    return [Answer(claim, min(held.get(id(claim), ()), key=telling, default=None)) for claim in ordered]


def headline(found: Sequence[Answer]) -> Answer | None:
    """The answer for the number that this project is about; None if the report does not include it."""
    return next((a for a in found if a.claim.benchmark == FIRST and a.claim.central), None)


def headline_table(parts: Sequence[ReportPart]) -> Table | None:
    """The table for the number that this project is about; None if the report does not include it."""
    found = headline(parts[0].answers)
    return Table("The number that this project is about", [row(found, times(parts))]) if found else None


def times(parts: Sequence[ReportPart]) -> Times:
    """What shows how long trainings take: the user's own, then the project's."""
    return Times([record for part in parts for record in part.records], [step for part in parts for step in part.steps])


def summary(found: Sequence[Answer]) -> str:
    """All answers in one sentence: the number of claims with each verdict."""
    counts = Counter(answer.verdict for answer in found)
    told = ", ".join(f"{verdict} {counts[verdict]}" for verdict in VERDICTS)
    return f"{len(found)} published number{'s' * (len(found) != 1)}: {told}."


def tables(found: Sequence[Answer], times: Times) -> list[Table]:
    """The tables that have rows: judged; compared but not judged; not run, with the command to run; not run, and not
    judged by any run; and not run, with an unknown protocol. `times` give the hours."""
    judged = [a for a in found if a.verdict in JUDGED]
    compared = [a for a in found if a.verdict == NOT_JUDGED]
    missing = [a.claim for a in found if a.verdict == NOT_RUN]
    known, unknown = ([c for c in missing if bool(c.protocol) is has] for has in (True, False))
    open_, never = ([c for c in known if bool(against_any_run(c)) is has] for has in (False, True))
    parts = [
        (f"Judged: {len(judged)}", [_compared_row(a) for a in judged]),
        (f"Compared, not judged: {len(compared)}", [_compared_row(a) for a in compared]),
        (f"Not run, with the command that would give a verdict: {len(open_)}", [_open(c, times) for c in open_]),
        (f"Not run, and no run would be judged: {len(never)}", [_never(c, times) for c in never]),
        (f"Not run, protocol unknown here: {len(unknown)}", [_published_row(c) for c in unknown]),
    ]
    return [Table(caption, rows, folded=number > 0) for number, (caption, rows) in enumerate(parts) if rows]


def row(answer: Answer, times: Times) -> Row:
    """One claim: its verdict, if any, and the command to run for one."""
    asked = _open(answer.claim, times)
    return _compared_row(answer) | {name: asked[name] for name in _ASKED} if answer.held else asked


def _compared_row(answer: Answer) -> Row:
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


def _open(claim: Claim, times: Times) -> Row:
    """The command of the claim's protocol, and how long it takes."""
    takes = cost.hours(claim, times) or "unknown: measure with --dry-run"
    return _published_row(claim) | {"verdict": NOT_RUN, **dict(zip(_ASKED, (command(claim), takes), strict=True))}


def _never(claim: Claim, times: Times) -> Row:
    """The command of the protocol as far as it is known, and why no verdict would follow."""
    return _open(claim, times) | {"why": "; ".join(against_any_run(claim))}


def _published_row(claim: Claim) -> Row:
    return {
        "benchmark": claim.benchmark,
        "method": claim.method,
        "published": claim.number,
        "source": wording.source(claim),
    }
