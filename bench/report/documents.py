"""A report as Markdown and as LaTeX."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bench.analysis.sections import Section
from bench.report import answers, result_tables
from bench.report.answers import OWN, ReportPart
from bench.report.matrix import matrix
from bench.report.panel import PlannedFigure
from bench.report.section_notes import notes
from bench.report.table_notes import ANSWERS
from bench.report.tables import Table, latex, markdown, markdown_text


def as_markdown(
    parts: Sequence[ReportPart],
    problems: Sequence[str],
    field: Sequence[Table],
    figures: Mapping[str, Sequence[PlannedFigure]],
) -> str:
    """The whole report as Markdown. `field`: the tables of all published numbers; `figures`: title of a section of the
    first part -> its figures, whose files are in the report's folder."""
    mine, *others = parts
    first = answers.headline_table(parts)
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


def as_latex(part: ReportPart) -> str:
    """LaTeX to be \\input: one table for a paper, then every table in full; a comment names the packages needed."""
    full = [latex(table) for section in part.sections for table in result_tables.tables(section)]
    return "\n".join(["% needs \\usepackage{booktabs,graphicx,amssymb}", "", matrix(part.sections), *full])


def _section(section: Section, figures: Iterable[PlannedFigure]) -> list[str]:
    blocks = [f"### {markdown_text(section.title)}\n", *(markdown(table) for table in result_tables.tables(section))]
    found, names = notes(section), [figure.stem.name for figure in figures]
    return [*blocks, *([_bullets(found)] if found else []), *(f"![{name}]({name}.svg)\n" for name in names)]


def _apart(part: ReportPart) -> list[str]:
    """The project's own runs: their verdicts, and the results of each benchmark."""
    results = [result_tables.tables(section)[0] for section in part.sections if section.cells]
    judged = answers.tables(part.judged, part.times)
    blocks = [f"## {OWN}: {markdown_text(part.origin)}\n", f"{answers.summary(part.answers)}\n"]
    return [*blocks, *(markdown(table) for table in [*judged, *results])]


def _bullets(items: Iterable[str]) -> str:
    return "".join(f"- {markdown_text(item)}\n" for item in items)
