"""Readers of results: records, evaluations, curves and claims; and the report on them."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import records
from bench.analysis import claims_file
from bench.analysis.pooling import usable
from bench.analysis.sections import sections
from bench.records import layout
from bench.report import answers, csv_file, documents, page, terminal
from bench.report.answers import ReportPart, answer_claims
from tests.fuzz import as_json, inputs, mutated, mutated_json, read, written
from tests.report.synthetic import write_run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a record with one evaluation."""
    return write_run(tmp_path_factory.mktemp("valid"), "tiny")


@pytest.fixture
def folder(valid: Path) -> Path:
    """A copy of a valid record, next to an unchanged record of another method."""
    results = valid.parents[3] / "copy"
    shutil.rmtree(results, ignore_errors=True)
    shutil.copytree(valid, results / valid.relative_to(valid.parents[3]))
    write_run(results, "tiny", "fomaml", seed=1)
    return results / valid.relative_to(valid.parents[3])


def reported(reader: str, folder: Path) -> None:
    """Reads the results as a report does and writes the report. Asserts that it names what it leaves out, and has the
    other record."""
    found, problems = read(reader, lambda: records.read_all(folder.parents[3]))
    good, unusable = usable(found)
    known = claims_file.published_claims()
    made, unpooled = sections(good, known)
    left_out = [*problems, *unusable, *unpooled]
    part = ReportPart("results", made, answer_claims(made, known))
    field = answers.tables(part.answers, part.times)
    texts = (
        documents.as_markdown([part], left_out, field, {}),
        documents.as_latex(part),
        page.as_html([part], left_out, field, {}, []),
        csv_file.as_csv("results", made),
        "".join(terminal.lines([part])),
    )
    assert all("fomaml" in text for text in texts)
    assert all(len(line.splitlines()) == 1 for line in left_out)


@inputs
@given(st.data())
def test_records(folder: Path, data: Any) -> None:
    path = folder / layout.RECORD
    text = path.read_bytes()
    written(folder, path.name, data.draw(mutated_json(json.loads(text)).map(as_json) | mutated(text)))
    reported("record.json", folder)
    written(folder, path.name, text)


@inputs
@given(st.data())
def test_evaluations(folder: Path, data: Any) -> None:
    path = next((folder / "evaluations").glob("*.json"))
    text = path.read_bytes()
    written(path.parent, path.name, data.draw(mutated_json(json.loads(text)).map(as_json) | mutated(text)))
    reported("evaluation.json", folder)
    written(path.parent, path.name, text)


def _vouched(folder: Path, path: Path, table: bytes, key: str | None) -> None:
    """Replaces a table and the checksum that covers it, as an attacker would."""
    total = hashlib.sha256(table).hexdigest()
    about = folder / layout.RECORD if key else path.with_suffix(".json")
    info = json.loads(about.read_text())
    if key:
        info["files"][key] = total
    else:
        info["sha256"] = total
    written(path.parent, path.name, table)
    written(about.parent, about.name, as_json(info))


def _table(values: Any, columns: list[str]) -> bytes:
    out = io.BytesIO()
    pd.DataFrame(values, columns=columns).to_parquet(out)
    return out.getvalue()


def _tables(columns: tuple[str, ...], count: int) -> st.SearchStrategy[bytes]:
    """Well-formed tables with other contents."""
    shapes = st.tuples(st.sampled_from([0, 1, count]), st.sampled_from([0, 1, len(columns), 9]))
    kinds = st.sampled_from([np.nan, np.inf, -1.0, 1e300, True, "text", None, b"bytes", 2**62])
    names = [*columns, *"abcdefghi"]
    return st.builds(lambda shape, kind: _table([[kind] * shape[1]] * shape[0], names[: shape[1]]), shapes, kinds)


@inputs
@given(st.data())
def test_scores(folder: Path, data: Any) -> None:
    path = next((folder / "evaluations").glob("*.parquet"))
    steps = ("0", "1", "2", "3")
    _vouched(folder, path, data.draw(mutated(path.read_bytes()) | _tables(steps, 20)), None)
    reported("scores", folder)


@inputs
@given(st.data())
def test_curves(folder: Path, data: Any) -> None:
    path = folder / layout.CURVE
    columns = ("iteration", "train_loss", "valid_score", "seconds")
    _vouched(folder, path, data.draw(mutated(path.read_bytes()) | _tables(columns, 20)), path.name)
    reported("curves", folder)


CLAIMS = claims_file.PUBLISHED.read_bytes()
LINE = b"omniglot-5w1s,maml,mine,94.5,0.5,over tasks,600,1,transductive,a thesis,,paper,60000,1.0\n"


@inputs
@given(mutated(CLAIMS, CLAIMS[: CLAIMS.index(b"\n") + 1] + LINE))
def test_claims(place: Path, data: bytes) -> None:
    found = read("claims", lambda: claims_file.read(written(place, "claims.csv", data)))
    if found:
        part = ReportPart("results", [], answer_claims([], found))
        documents.as_markdown([part], [], answers.tables(part.answers, part.times), {})
