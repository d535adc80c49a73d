"""The answer of a report: every published number that something was run for, and what came of it, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.claims import Claim
from bench.analysis.sections import Section
from bench.analysis.verdicts import NOT_JUDGED, Held
from bench.report import marks, wording

VERDICTS = ("agrees", "differs", "inconclusive", NOT_JUDGED)


@dataclass(frozen=True)
class Answer:
    """One claim, in text: `published` is the number, `by` who says so; `of` tells what `ours` is the mean of."""

    question: str
    published: str
    by: str
    ours: str
    of: str
    difference: str
    interval: str
    verdict: str
    why: str


def answers(sections: Sequence[Section]) -> list[Answer]:
    """What was judged first. Of the cells of a claim all that are judged, else the one that comes nearest to it."""
    held = [h for section in sections for claim in section.claims for h in _telling(section, claim)]
    return [_answer(h) for h in sorted(held, key=lambda h: h.verdict == NOT_JUDGED)]


def summary(found: Sequence[Answer]) -> str:
    """The whole answer in a sentence."""
    if not found:
        return "Nothing has been run yet that a published number could be held against."
    counts = Counter(answer.verdict for answer in found)
    told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])
    comparisons = "comparison" if len(found) == 1 else "comparisons"
    return f"{len(found)} {comparisons} with a published number: {told}."


def _telling(section: Section, claim: Claim) -> list[Held]:
    held = [h for h in section.held if h.claim is claim]
    judged = [h for h in held if h.verdict != NOT_JUDGED]
    return judged or sorted(held, key=lambda h: (len(h.reasons), -len(h.cell.seeds)))[:1]


def _answer(h: Held) -> Answer:
    kind, form = marks.kind(h.cell), h.cell.measure.form
    return Answer(
        question=f"{h.claim.method} on {h.cell.title}",
        published=h.claim.number,
        by=wording.source(h.claim),
        ours=f"{h.cell.headline.value:{form}}",
        of=f"{wording.ends(h.cell.intervals[kind], form)}, {kind}; "
        f"{wording.counted_seeds(h.cell)}, {wording.episodes(h.cell)}; {h.cell.described}",
        difference=f"{h.difference:+{form}}",
        interval=wording.NONE if h.interval is None else wording.ends(h.interval, f"+{form}"),
        verdict=h.verdict,
        why=h.why,
    )
