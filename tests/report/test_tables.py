"""Escaping: no name may turn into markup."""

from __future__ import annotations

from pathlib import Path

from bench import report
from bench.report.tables import Table, latex, markdown
from tests.report.synthetic import write_run

TABLE = Table("a_b", [{"name": "x_1 | y*", "why": "50 % & <b> [c](d) #1 ~{}\\ ± -3"}])


def test_markdown() -> None:
    lines = markdown(TABLE).splitlines()
    assert lines[0] == r"#### a\_b" and lines[3] == "| --- | --- |"
    assert lines[4] == r"| x\_1 \| y\* | 50 % & \<b\> \[c\](d) \#1 \~{}\\ ± -3 |"


def test_latex() -> None:
    text = latex(TABLE)
    assert r"\caption{a\_b}" in text and r"\begin{tabular}{lp{7cm}}" in text and r"\toprule" in text
    assert r"x\_1 | y* & 50 \% \& \textless{}b\textgreater{} [c](d) \#1" in text
    assert r"\textasciitilde{}\{\}\textbackslash{} $\pm$ $-$3 \\" in text


def test_a_line_break_cannot_end_a_row() -> None:
    assert len(markdown(Table("t", [{"a": "one\ntwo\r\nthree"}])).splitlines()) == 5


def test_names_of_methods_in_the_report(tmp_path: Path) -> None:
    write_run(tmp_path / "runs", method="my_method|2")
    files = {path.name: path for path in report.build(tmp_path / "runs", tmp_path / "out").files}
    assert r"| my\_method\|2 (demonstration) |" not in files["report.csv"].read_text()
    assert r"| my\_method\|2 | paper |" in files["report.md"].read_text()
    assert r"my\_method|2 & paper" in files["report.tex"].read_text()
