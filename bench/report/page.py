"""A report as one HTML file: no network, everything from names escaped, script and style pinned by their hashes."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

from bench.analysis.claims import Claim
from bench.analysis.sections import Section, command
from bench.analysis.verdicts import NOT_JUDGED
from bench.report import documents, provenance_tables, result_tables
from bench.report.answers import VERDICTS, Answer, answers, summary
from bench.report.documents import Part
from bench.report.episode_pictures import pictures
from bench.report.figures import Drawn
from bench.report.inline_svg import alternative, inline
from bench.report.tables import Table

# How a cell begins that is ranged as a number, and how long one may be.
_NUMBER = re.compile(r"(?=.{,40}$)([<–]|[+-]?\d[\d.]*(e[+-]?\d+)?(?!\w))")

_VERDICTS = {name: name.replace(" ", "-") for name in VERDICTS}  # each its class in the style sheet


def as_html(
    parts: Sequence[Part], unmet: Sequence[Claim], problems: Sequence[str], drawn: Mapping[str, Sequence[Drawn]]
) -> str:
    """The whole report. `drawn`: title of a section of the first part -> its figures."""
    style, script = _asset("page.css"), _asset("page.js")
    found = answers([section for _, sections in parts for section in sections])
    shown = [_part(number, part, drawn if number == 0 else {}) for number, part in enumerate(parts)]
    return _template().render(
        verdicts=_VERDICTS,
        policy=f"default-src 'none'; img-src data:; style-src {_pinned(style)}; script-src {_pinned(script)}; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'",
        style=Markup(style),
        script=Markup(script),
        summary=summary(found),
        answers=_groups(found),
        reading=documents.READING.strip().split("\n\n"),
        parts=shown,
        unmet=_table("unmet", documents.unmet_claims(unmet)) if unmet else None,
        problems=problems,
    )


def _groups(found: Sequence[Answer]) -> list[dict[str, Any]]:
    """What was judged, and folded below it what could not be."""
    judged = [answer for answer in found if answer.verdict != NOT_JUDGED]
    rest = [answer for answer in found if answer.verdict == NOT_JUDGED]
    groups = [{"folded": "", "answers": judged}, {"folded": f"{len(rest)} {NOT_JUDGED}, and why", "answers": rest}]
    return [group for group in groups if group["answers"]]


def _part(number: int, part: Part, drawn: Mapping[str, Sequence[Drawn]]) -> dict[str, Any]:
    origin, sections = part
    shown = [_section(f"s{number}-{k}", section, drawn.get(section.title, ())) for k, section in enumerate(sections)]
    return {"origin": origin, "reference": number > 0, "sections": shown}


def _section(name: str, section: Section, drawn: Sequence[Drawn]) -> dict[str, Any]:
    """The first figure and the first table belong together; then come the other figures, pictures, the other tables."""
    figures = [_figure(f"{name}-{figure.kind}", figure) for figure in drawn]
    tables = [*result_tables.tables(section), *provenance_tables.tables(section)]
    shown = [_table(f"{name}-t{k}", table, section.title) for k, table in enumerate(tables)]
    seen = [{"kind": "picture", "id": f"{name}-p{k}", **vars(each)} for k, each in enumerate(pictures(section))]
    return {
        "id": name,
        "title": section.title,
        "command": command(section.claims[0]) if section.claims and not section.cells else "",
        "notes": documents.notes(section),
        "blocks": [*figures[:1], *shown[:1], *figures[1:], *seen, *shown[1:]],
    }


def _figure(name: str, drawn: Drawn) -> dict[str, Any]:
    # The SVG is Matplotlib's, serialised again by ElementTree: every text in it is escaped.
    svg = Markup(inline(drawn, f"{name}-"))
    return {"kind": "figure", "id": name, "title": _short(drawn.title), "svg": svg, "values": alternative(drawn)}


def _table(name: str, table: Table, section: str = "") -> dict[str, Any]:
    header, *rows = table.lines
    ranged = [all(map(_NUMBER.match, cells)) for cells in zip(*rows, strict=True)]
    caption = table.caption.removeprefix(f"{section}: ")
    return {
        "kind": "table",
        "id": name,
        "title": caption,
        "header": list(zip(header, ranged, strict=True)),
        "rows": rows,
    }


def _short(title: str) -> str:
    """Without the section that it stands in."""
    return title.split(": ", 1)[-1]


def _pinned(text: str) -> str:
    """What a content security policy calls this text by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _asset(name: str) -> str:
    return files("bench.report").joinpath("assets", name).read_text(encoding="utf-8")


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["minus"] = lambda text: re.sub(r"(?<![\w.-])-(?=\d)", "−", text)
    return environment.from_string(_asset("page.html"))
