"""A report as Markdown and as LaTeX, and the parts that every form of it shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.analysis.sections import Section
from bench.records import Record
from bench.report import answers, result_tables, wording
from bench.report.answers import JUDGED, Answer
from bench.report.matrix import matrix
from bench.report.reading import ANSWERS
from bench.report.tables import Table, latex, markdown, markdown_text

OWN = "This project's own runs, not yours"  # what stands above a part that is `reference`
_DEPENDENT = (
    "Where batch norm is transductive, the queries of an episode depend on one another, and the anatomy is an "
    "approximation."
)


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


def headline(parts: Sequence[Part]) -> Table | None:
    """The number that the project is about, and what came of it; None where the report is not about it."""
    found = answers.headline(parts[0].answers)
    return Table("The number that this project is about", [answers.row(found, timed(parts))]) if found else None


def timed(parts: Sequence[Part]) -> list[Record]:
    """The records that tell how long a training takes: the user's own, or where there are none, the project's."""
    return [record for part in parts for record in part.records]


def as_markdown(parts: Sequence[Part], problems: Sequence[str], figures: Mapping[str, Sequence[str]]) -> str:
    """The whole report. `figures`: title of a section of the first part -> stems of the PNG files beside it."""
    mine, *others = parts
    first, field = headline(parts), answers.tables(mine.answers, timed(parts))
    ran = [table for table in field if not table.caption.startswith("Not run")]
    blocks = ["# Report\n", f"{answers.summary(mine.answers)}\n", f"{ANSWERS}\n"]
    blocks += [markdown(table) for table in ([first] if first else []) + ran]
    if problems:
        blocks.append("## Left out\n\n" + _bullets(problems))
    blocks.append(f"## Results in {markdown_text(mine.origin)}\n")
    for section in mine.sections:
        blocks += _section(section, figures.get(section.title, ()))
    blocks += ["## Published numbers that were not run\n"] * (len(field) > len(ran))
    blocks += [markdown(table) for table in field if table not in ran]
    return "\n".join([*blocks, *(block for part in others for block in _apart(part))])


def as_latex(part: Part) -> str:
    """One table for a paper, then every table in full, to be \\input; the packages that it needs are named on top."""
    full = [latex(table) for section in part.sections for table in result_tables.tables(section)]
    return "\n".join(["% needs \\usepackage{booktabs,graphicx,amssymb}", "", matrix(part.sections), *full])


def _section(section: Section, figures: Iterable[str]) -> list[str]:
    blocks = [f"### {markdown_text(section.title)}\n", *(markdown(table) for table in result_tables.tables(section))]
    found = notes(section)
    return [*blocks, *([_bullets(found)] if found else []), *(f"![{name}]({name}.png)\n" for name in figures)]


def _apart(part: Part) -> list[str]:
    """The project's own runs: their verdicts, and the results of each benchmark."""
    results = [result_tables.tables(section)[0] for section in part.sections if section.cells]
    judged = answers.tables(part.judged, part.records)
    blocks = [f"## {OWN}: {markdown_text(part.origin)}\n", f"{answers.summary(part.answers)}\n"]
    return [*blocks, *(markdown(table) for table in [*judged, *results])]


def notes(section: Section) -> list[str]:
    """What a reader of its tables must know besides."""
    unknown = [] if section.claims else ["No published number is known for this benchmark, so nothing is judged."]
    counted = section.benchmark.measure.counted
    modes = {cell.evaluated.evaluation.batch_statistics for cell in section.cells}
    batch = counted and not modes.isdisjoint({"batch", "episode"})
    bound = wording.near_bound(section.benchmark.measure)
    near = [f"{cell.method}, {cell.described}: {bound}." for cell in section.cells if cell.near_bound]
    edges = [
        f"{cell.method}, {cell.described}: chosen on validation at the edge of what there was to choose from "
        f"({wording.at_edge(cell)}): more might be better, of it and in every comparison with it."
        for cell in section.cells
        if cell.edges
    ]
    tried = [f"{cell.method}, {cell.described}: {wording.grid(cell)}." for cell in section.cells if wording.grid(cell)]
    return [*unknown, *([_DEPENDENT] if batch else []), *near, *tried, *edges, *section.outcomes]


def _bullets(items: Iterable[str]) -> str:
    return "".join(f"- {markdown_text(item)}\n" for item in items)
