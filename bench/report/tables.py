"""A table of text, and its Markdown and LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

Row = dict[str, str]  # column -> plain text; all rows of a table have equal columns

_WRAPPED = ("why", "source")  # names of columns with prose start with these; LaTeX breaks their lines
_MARKDOWN = re.compile(r"([\\`*_|<>\[\]#~&])")
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "±": r"$\pm$",
    "×": r"$\times$", "–": "--", "[": "{[}", "]": "{]}", "*": "{*}",  # because \\\\ would take them as its argument
}  # fmt: skip


@dataclass(frozen=True)
class Table:
    """A table with at least one row; text is escaped only when it is written. `note` explains how to read it; `folded`:
    hidden at first, if the format can fold."""

    caption: str
    rows: Sequence[Row]
    note: str = ""
    folded: bool = False

    @property
    def lines(self) -> list[tuple[str, ...]]:
        """The names of the columns, followed by the rows."""
        return [tuple(self.rows[0]), *(tuple(row.values()) for row in self.rows)]


def text(rows: Sequence[Row]) -> list[str]:
    """Lines for a terminal: the names of the columns, followed by the rows, aligned."""
    lines = Table("", rows).lines
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(map(str.ljust, cells, widths)).rstrip() for cells in lines]


def markdown(table: Table) -> str:
    """A Markdown table with its caption as a heading, and its note."""
    note = [markdown_text(table.note), ""] if table.note else []
    return "\n".join([f"#### {markdown_text(table.caption)}", "", *note, markdown_rows(table), ""])


def markdown_rows(table: Table) -> str:
    """A Markdown table alone."""
    header, *rows = (f"| {' | '.join(map(markdown_text, cells))} |" for cells in table.lines)
    return "\n".join([header, "|" + " --- |" * len(table.rows[0]), *rows])


def latex(table: Table) -> str:
    r"""A `table` with booktabs rules, scaled to the line (`\resizebox`, package graphicx)."""
    columns = "".join("p{7cm}" if name.startswith(_WRAPPED) else "l" for name in table.rows[0])
    header, *rows = (" & ".join(map(latex_text, cells)) + r" \\" for cells in table.lines)
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{latex_text(table.caption)}}}",
            r"\resizebox{\linewidth}{!}{%",
            rf"\begin{{tabular}}{{{columns}}}",
            *(r"\toprule", header, r"\midrule", *rows, r"\bottomrule"),
            r"\end{tabular}}",
            r"\end{table}",
            "",
        ]
    )


def markdown_text(text: str) -> str:
    """Text on one line, with Markdown's special characters escaped."""
    return _MARKDOWN.sub(r"\\\1", _one_line(text))


def latex_text(text: str) -> str:
    """Text on one line, with LaTeX's special characters escaped, and a proper minus before a number."""
    escaped = "".join(_LATEX.get(character, character) for character in _one_line(text))
    return re.sub(r"(?<![\w.-])-(?=\d)", "$-$", escaped)


def _one_line(text: str) -> str:
    """Text on one line without invisible characters: a document with them may not open, or may display another
    order."""
    return "".join(filter(str.isprintable, " ".join(text.split())))
