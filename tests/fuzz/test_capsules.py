"""Capsules: files from elsewhere, whose contents are written to the results folder."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.data.readers import archives
from bench.tools.capsule import contents, exporting, importing
from tests.fuzz import HOSTILE_TEXT, as_json, inputs, mutated, mutated_json, read, written
from tests.records.test_record import STORED


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A capsule of the stored record."""
    out = tmp_path_factory.mktemp("capsule") / "capsule.zip"
    exporting.export([next(STORED.glob("format-1/*/*/*/*"))], out)
    return out.read_bytes()


@pytest.fixture(scope="module")
def content(exported: bytes, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return archives.read_stored(written(tmp_path_factory.mktemp("capsule"), "capsule.zip", exported))


def brought_in(place: Path, path: Path) -> None:
    """Asserts that nothing is written outside the results folder, and nothing at all if the capsule is refused."""
    results = place / "results"
    shutil.rmtree(results, ignore_errors=True)
    before = sorted(place.rglob("*"))
    found = read("capsules", lambda: importing.bring_in(path, results))
    left = [path for path in results.iterdir() if path.suffix != ".lock"] if results.exists() else []
    assert found or not left
    assert sorted(other for other in place.rglob("*") if results not in (other, *other.parents)) == before


@inputs
@given(st.data())
def test_capsules(place: Path, exported: bytes, data: Any) -> None:
    brought_in(place, written(place, "capsule.zip", data.draw(mutated(exported))))


@inputs
@given(st.data())
def test_capsules_with_sums_that_are_right(place: Path, content: dict[str, bytes], data: Any) -> None:
    """Changed capsules with correct checksums, as an attacker would pack them."""
    name = data.draw(st.sampled_from(sorted(content)))
    changed = {key: value for key, value in content.items() if key != name}
    changed[data.draw(st.just(name) | HOSTILE_TEXT.filter(bool))] = data.draw(mutated(content[name]))
    manifest = json.loads(content[contents.MANIFEST])
    manifest["files"] = contents.checksums({key: value for key, value in changed.items() if key != contents.MANIFEST})
    changed[contents.MANIFEST] = data.draw(st.just(as_json(manifest)) | mutated_json(manifest).map(as_json))
    path = place / "capsule.zip"
    with contextlib.suppress(ValueError):  # of names that zip cannot hold
        exporting.write(path, changed)
        brought_in(place, path)
