"""Escaping: no name can become markup."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from bench.report import build
from bench.report.tables import Table, latex, latex_text, markdown, markdown_text
from tests.conftest import Command
from tests.report.synthetic import write_run

TABLE = Table("a_b", [{"name": "x_1 | y*", "why": "50 % & <b> [c](d) #1 ~{}\\ ± -3"}])


def test_markdown() -> None:
    lines = markdown(TABLE).splitlines()
    assert lines[0] == r"#### a\_b" and lines[3] == "| --- | --- |"
    assert lines[4] == r"| x\_1 \| y\* | 50 % \& \<b\> \[c\](d) \#1 \~{}\\ ± -3 |"


def test_latex() -> None:
    text = latex(TABLE)
    assert r"\caption{a\_b}" in text and r"\begin{tabular}{lp{7cm}}" in text and r"\toprule" in text
    assert r"x\_1 | y{*} & 50 \% \& \textless{}b\textgreater{} {[}c{]}(d) \#1" in text
    assert r"\textasciitilde{}\{\}\textbackslash{} $\pm$ $-$3 \\" in text


def test_a_line_break_cannot_end_a_row() -> None:
    assert len(markdown(Table("t", [{"a": "one\ntwo\r\nthree"}])).splitlines()) == 5


def test_names_of_methods_in_the_report(tmp_path: Path) -> None:
    write_run(tmp_path / "runs", method="my_method|2")
    files = {path.name: path for path in build.build(tmp_path / "runs", tmp_path / "out").files}
    assert r"| my\_method\|2 (demonstration) |" not in files["report.csv"].read_text()
    assert r"| my\_method\|2 | 9" in files["report.md"].read_text()
    assert r"my\_method|2 & 9" in files["report.tex"].read_text()


@given(st.text() | st.text(alphabet="\\\\&%$#_{}[]*|<`~^-\n\r\x1b\u202e x1", max_size=12))
def test_no_text_turns_into_markup(text: str) -> None:
    """An escaped text contains nothing but its visible characters."""
    seen = "".join(filter(str.isprintable, " ".join(text.split())))
    escaped = markdown_text(text)
    assert re.sub(r"\\([\\`*_|<>\[\]#~&])", r"\1", escaped) == seen
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_|<>\[\]#~&]", escaped)
    tex = latex_text(text)
    for command in (
        r"\textbackslash{}",
        r"\textasciitilde{}",
        r"\textasciicircum{}",
        r"\textless{}",
        r"\textgreater{}",
    ):
        tex = tex.replace(command, "")
    tex = re.sub(r"\$\\pm\$|\$\\times\$|\$-\$|\\[{}&%$#_]|\{[\[\]*]\}", "", tex)
    assert not set(tex) & set("\\{}&%$#_~^<>[]*")


def test_a_name_that_a_spreadsheet_would_compute(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    write_run(runs, method="=cmd|'calc'!A0", seed=0)
    build.build(runs, tmp_path / "out")
    with open(tmp_path / "out" / "report.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["method"].startswith("'=cmd") and float(row["accuracy"]) > 0


def test_a_name_cannot_steer_the_terminal(typed: Command, tmp_path: Path) -> None:
    """A record with such a name is refused, and named by its visible characters."""
    write_run(tmp_path / "results" / "runs", method="\x1b[2Jmaml")
    made = typed("report")
    assert made.returncode == 1 and "\x1b" not in made.stdout + made.stderr
    assert "\\x1b[2Jmaml" in made.stderr and "method is missing or has the wrong type" in made.stderr
