"""A report as Markdown and as LaTeX."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bench.analysis.claims import Claim
from bench.analysis.sections import Section
from bench.report import result_tables, wording
from bench.report.tables import Table, latex, markdown, markdown_text

READING = """\
Accuracies are in percent. All seeds and methods are scored on the same test episodes, so every interval is of a
crossed design, at 95 %:

- **both** (the headline): other trainings, other episodes.
- **over episodes**: these models, other episodes; the kind that papers report, for one model.
- **over seeds**: these episodes, other trainings.
- **crossed bootstrap**: the same as both, without normality; shown, and not used for verdicts.

A claim **agrees** when the 90 % interval of the difference lies inside its margin, which was fixed before any run;
it **differs** when, otherwise, the 95 % interval excludes 0; else the outcome is **inconclusive**. It is **not
judged** under three seeds, or where the protocol or the data differ or are not known. The difference allows for one
more model, since a published number is that of one. Beside a verdict stands the smallest 90 % half-width that the
claim permits on these episodes, however many seeds are run: at the margin or above, it can never agree. The claim's
own weights, scored again, are judged from that one model, without a spread between trainings.

In the anatomy, *between episodes* is what one model's accuracy varies by beyond the binomial noise of its queries;
*common to all seeds* is what all models find hard alike, the very query images included, and *between seeds* how far
apart trainings lie. An interval is compatible with a test where the variation between episodes that it implies, at
95 %, meets what published results and runs of about that accuracy show.
"""
_DEPENDENT = (
    "Where batch norm is transductive, the queries of an episode depend on one another, and the anatomy is an "
    "approximation."
)

Part = tuple[str, Sequence[Section]]  # where its records lie, and what they say


def as_markdown(
    parts: Sequence[Part], unmet: Sequence[Claim], problems: Sequence[str], figures: Mapping[str, Sequence[str]]
) -> str:
    """The whole report. `figures`: title of a section of the first part -> stems of the PNG files beside the report."""
    blocks = ["# Report\n", READING]
    if problems:
        blocks.append("## Left out\n\n" + _bullets(problems))
    for number, (origin, sections) in enumerate(parts):
        blocks.append(f"## Runs in {markdown_text(origin)}\n")
        for section in sections:
            blocks += _section(section, figures.get(section.title, ()) if number == 0 else ())
    if unmet:
        blocks.append("## Published numbers that nothing was run for\n\n" + markdown(unmet_claims(unmet)))
    return "\n".join(blocks)


def as_latex(parts: Sequence[Part]) -> str:
    """Every table, to be \\input; the packages that it needs are named on top."""
    made = [latex(table) for _, sections in parts for section in sections for table in result_tables.tables(section)]
    return "\n".join(["% needs \\usepackage{booktabs,graphicx}", "", *made])


def _section(section: Section, figures: Iterable[str]) -> list[str]:
    blocks = [f"### {markdown_text(section.title)}\n"]
    if not section.cells:
        blocks.append("Not run.\n")
    blocks += [markdown(table) for table in result_tables.tables(section)]
    found = notes(section)
    return [*blocks, *([_bullets(found)] if found else []), *(f"![{name}]({name}.png)\n" for name in figures)]


def notes(section: Section) -> list[str]:
    """What a reader of its tables must know besides."""
    unknown = [] if section.claims else ["No published number is known for this benchmark, so nothing is judged."]
    counted = section.benchmark.measure.counted
    batch = counted and any(cell.evaluated.evaluation.batch_statistics == "batch" for cell in section.cells)
    bound = wording.near_bound(section.benchmark.measure)
    near = [f"{cell.method}, {cell.described}: {bound}." for cell in section.cells if cell.near_bound]
    return [*unknown, *([_DEPENDENT] if batch else []), *near, *section.outcomes]


def _bullets(items: Iterable[str]) -> str:
    return "".join(f"- {markdown_text(item)}\n" for item in items)


def unmet_claims(claims: Sequence[Claim]) -> Table:
    """Those of benchmarks that the report has no section of."""
    names = ("benchmark", "method", "published", "source")
    rows = [(claim.benchmark, claim.method, claim.number, wording.source(claim)) for claim in claims]
    return Table("All benchmarks", [dict(zip(names, row, strict=True)) for row in rows])
