"""Records: atomic, checked, and found by their names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import records
from bench.errors import UserError
from tests.report.synthetic import write_run


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
    return write_run(tmp_path, "tiny", seed=1)


def test_what_was_written_is_read(folder: Path) -> None:
    record = records.read(folder)
    assert record.name == "/".join(folder.parts[-4:]) and record.seed == 1
    (found,) = record.evaluations
    assert found.final.tolist() == found.scores[:, 3].tolist() and found.scores.shape == (20, 4)
    assert records.read_evaluation(next((folder / "evaluations").glob("*.json"))).iteration == 20


def test_find(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path, "tiny", seed=10)
    name = "/".join(folder.parts[-4:])
    for text in (str(folder), name):
        assert records.find(tmp_path, text) == folder
    monkeypatch.chdir(folder)
    assert records.find(tmp_path, ".") == folder
    assert records.find(tmp_path, name + "0").name == "seed10"
    with pytest.raises(UserError, match="no run"):
        records.find(tmp_path, "tiny/fomaml")
    with pytest.raises(UserError, match="names 2 runs"):
        records.find(tmp_path, "tiny/maml")


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "record.json").write_text("{"), "record.json"),
        (lambda f: (f / "record.json").write_text("[]"), "not a record"),
        (lambda f: (f / "record.json").write_text('{"format": 2}'), "newer version"),
        (lambda f: (f / "record.json").write_text('{"format": 1}'), "benchmark is missing"),
        (lambda f: (f / "record.json").write_text("[" * 100_000), "record.json"),
        (lambda f: edit(f / "record.json", seed="0"), "seed is missing, or not"),
        (lambda f: edit(f / "record.json", seed=2), "changed by hand"),
        (lambda f: edit(f / "record.json", training={}), "changed by hand"),
        (lambda f: edit(f / "record.json", data={"digest": 1}), "data.name"),
        (lambda f: edit(next((f / "evaluations").glob("*.json")), step=1.5), "step"),
        (lambda f: edit(next((f / "evaluations").glob("*.json")), iteration=7), "changed by hand"),
        (lambda f: f.joinpath("curve.parquet").write_bytes(b""), "damaged"),
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
