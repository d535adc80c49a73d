"""Records: atomic, checked, and found by their names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench import benchmarks, presets, records
from bench.errors import UserError


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    records.write_atomically(path, lambda p: p.write_text("old"))

    def fails(p: Path) -> None:
        p.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match="No space left"):
        records.write_atomically(path, fails)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A record with one evaluation."""
    benchmark = benchmarks.get("tiny")
    training = presets.paper(benchmark).training
    path = records.run_folder(tmp_path, "tiny", "maml", "01234567", 3)
    fields = {"format": 1, "benchmark": "tiny", "method": "maml", "seed": 3, "status": "finished", "files": {}}
    records.write_json(path / records.RECORD, fields | {"training": vars(training)})
    evaluation = replace(presets.paper(benchmark).evaluation, episodes=4)
    records.write_evaluation(path, evaluation, 20, 3, np.arange(16).reshape(4, 4) / 16, {"score": "accuracy"})
    return path


def test_what_was_written_is_read(folder: Path) -> None:
    record = records.read(folder)
    assert record.name == "tiny/maml/01234567/seed3" and record.seed == 3
    (found,) = record.evaluations
    assert found.final.tolist() == [3 / 16, 7 / 16, 11 / 16, 15 / 16]
    assert record.evaluation(found.evaluation) == found
    assert record.evaluation(replace(found.evaluation, queries=9)) is None


def test_find(folder: Path, tmp_path: Path) -> None:
    for name in (str(folder), "tiny/maml/01234567/seed3", "tiny/maml/01", "tiny"):
        assert records.find(tmp_path, name) == folder
    with pytest.raises(UserError, match="no run"):
        records.find(tmp_path, "tiny/fomaml")
    records.write_json(records.run_folder(tmp_path, "tiny", "maml", "01234567", 4) / records.RECORD, {"format": 1})
    with pytest.raises(UserError, match="names 2 runs"):
        records.find(tmp_path, "tiny/maml")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "record.json").write_text("{"), "record.json"),
        (lambda f: (f / "record.json").write_text("[]"), "not a record"),
        (lambda f: (f / "record.json").write_text('{"format": 2}'), "newer version"),
        (lambda f: (f / "record.json").write_text('{"format": 1}'), "KeyError"),
        (lambda f: next((f / "evaluations").glob("*.parquet")).write_bytes(b"PAR1"), "damaged"),
        (lambda f: next((f / "evaluations").glob("*.parquet")).unlink(), "parquet"),
    ],
)
def test_damage_is_named(folder: Path, tmp_path: Path, damage, message: str) -> None:
    damage(folder)
    with pytest.raises(records.Corrupt, match=message) as caught:
        records.read(folder)
    assert "\n" not in str(caught.value) and str(folder) in str(caught.value)
    assert records.read_all(tmp_path) == ([], [str(caught.value)])
