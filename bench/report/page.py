"""A report as one HTML file: no network access, all names escaped, script and style pinned by their hashes."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

from bench.analysis.sections import Section
from bench.report import answers, provenance_tables, result_tables
from bench.report.answers import JUDGED, OWN, VERDICTS, ReportPart
from bench.report.episode_pictures import pictures
from bench.report.inline_svg import alternative
from bench.report.panel import DrawnFigure
from bench.report.section_notes import notes
from bench.report.table_notes import ANSWERS
from bench.report.tables import Table

# How a table cell starts that is aligned as a number, and how long it may be.
_NUMBER = re.compile(r"(?=.{,40}$)([<–]|[+-]?\d[\d.]*(e[+-]?\d+)?(?!\w))")
_CODE = ("command", "protocol", "run", "change")  # columns of names and commands, in which lines may break anywhere

_VERDICTS = {name: name.replace(" ", "-") for name in VERDICTS}  # verdict -> class in the style sheet
_REASONS = 75  # characters of the reasons for a verdict that are not folded
_LINE = 24  # characters of a number that stays on one line
_FEW = 3  # with more benchmarks than this, only the first is unfolded
_MANY = 12  # with more results in a benchmark than this, only its first figure is unfolded


def as_html(
    parts: Sequence[ReportPart],
    problems: Sequence[str],
    field: Sequence[Table],
    drawn: Mapping[str, Sequence[DrawnFigure]],
    effects: Sequence[Table],
) -> str:
    """The whole report as HTML. `field`: the tables of all published numbers; `drawn`: title of a section of the first
    part -> its figures; `effects`: from `explain`."""
    mine, *others = parts
    style, script = _asset("page.css"), _asset("page.js")
    first = answers.headline_table(parts)
    return _template().render(
        verdicts=_VERDICTS,
        policy=f"default-src 'none'; img-src data:; style-src {_hash_source(style)}; script-src {_hash_source(script)}"
        "; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'",
        style=Markup(style),
        script=Markup(script),
        origin=mine.origin,
        ran=bool(mine.records),
        first=first and first.rows[0],
        summary=answers.summary(mine.answers),
        reading=ANSWERS,
        field=[_table(f"f{k}", table) for k, table in enumerate(field)],
        sections=[
            _section(f"s{k}", section, drawn.get(section.title, ())) | {"open": k == 0 or len(mine.sections) <= _FEW}
            for k, section in enumerate(mine.sections)
        ],
        effects=[_table(f"e{k}", table) for k, table in enumerate(effects)],
        own=OWN,
        others=[_apart(f"o{k}", part) for k, part in enumerate(others)],
        methods=sorted({a.claim.method for a in mine.answers} | {record.method for record in mine.records}),
        problems=problems,
    )


def _apart(name: str, part: ReportPart) -> dict[str, Any]:
    """The project's own runs, with only verdicts and results: they have their own report."""
    results = [result_tables.tables(section)[0] for section in part.sections if section.cells]
    tables = [*answers.tables(part.judged, part.times), *results]
    return {
        "id": name,
        "origin": part.origin,
        "summary": answers.summary(part.answers),
        "blocks": [_table(f"{name}-{k}", table) | {"folded": k > 0} for k, table in enumerate(tables)],
    }


def _section(name: str, section: Section, drawn: Sequence[DrawnFigure]) -> dict[str, Any]:
    """A section: results first, then figures and comparisons of methods; the rest is folded."""
    many = len(section.cells) > _MANY
    figures = [_figure(each) | {"folded": many and k > 0} for k, each in enumerate(drawn)]
    tables = [*result_tables.tables(section), *provenance_tables.tables(section)]
    shown = [_table(f"{name}-t{k}", table, section.title) for k, table in enumerate(tables)]
    seen = [{"kind": "picture", "id": f"{name}-p{k}", **vars(each)} for k, each in enumerate(pictures(section))]
    front = [block for block in shown if not block["folded"]]
    folded = [block for block in shown if block["folded"]]
    return {
        "id": name,
        "title": section.title,
        "brief": _brief(section),
        "notes": notes(section),
        "blocks": [*front[:1], *figures[:1], *front[1:], *figures[1:], *seen, *folded],
    }


def _brief(section: Section) -> str:
    """The content of a folded benchmark, in one line."""
    counts = Counter(h.verdict for h in section.held if h.verdict in JUDGED)
    results = f"{len(section.cells)} result{'s' * (len(section.cells) != 1)}"
    verdicts = ", ".join(f"{verdict} {counts[verdict]}" for verdict in JUDGED if counts[verdict])
    return f"{results}; published numbers: {verdicts}" if verdicts else results


def _figure(drawn: DrawnFigure) -> dict[str, Any]:
    # Matplotlib wrote the SVG and ElementTree serialised it again, so every text in it is escaped.
    svg, values = Markup(drawn.svg), alternative(drawn)
    return {"kind": "figure", "id": drawn.name, "title": _short(drawn.title), "svg": svg, "values": values}


def _table(name: str, table: Table, section: str = "") -> dict[str, Any]:
    header, *rows = table.lines
    ranged = [all(map(_NUMBER.match, cells)) for cells in zip(*rows, strict=True)]
    kinds = [_kind(*column) for column in zip(header, ranged, zip(*rows, strict=True), strict=True)]
    return {
        "kind": "table",
        "id": name,
        "title": table.caption.removeprefix(f"{section}: "),
        "note": table.note,
        "folded": table.folded,
        "header": list(zip(header, kinds, strict=True)),
        "rows": rows,
    }


def _kind(name: str, ranged: bool, cells: Sequence[str]) -> str:
    """The CSS class of a column: numbers (on one line if they are short), code, or text."""
    if ranged:
        return "number" if max(map(len, cells)) <= _LINE else "range"
    return "code" if name in _CODE else ""


def _first_reasons(text: str) -> tuple[str, str]:
    """The first of several reasons, as many as fit into three lines of a table, and the others; a single reason that
    does not fit is divided where it lists settings."""
    first, *others = re.split(r"(?<=;) |(?<=,) (?=which |and its )", text)
    if len(first) > _REASONS:
        first, *names = re.split(r"(?<=,) ", first)
        others = [*names, *others]
    while others and len(f"{first} {others[0]}") <= _REASONS:
        first = f"{first} {others.pop(0)}"
    return first, " ".join(others)


def _short(title: str) -> str:
    """A title without the name of the section."""
    return title.split(": ", 1)[-1]


def _hash_source(text: str) -> str:
    """The source expression for this text in a content security policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _asset(name: str) -> str:
    return files("bench.report").joinpath("assets", name).read_text(encoding="utf-8")


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["minus"] = lambda text: re.sub(r"(?<![\w.-])-(?=\d)", "−", text)
    environment.filters["first_reasons"] = _first_reasons
    return environment.from_string(_asset("page.html"))
