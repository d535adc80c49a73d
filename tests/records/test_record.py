"""Records: atomic, checked, and found by name."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from bench import files, records
from bench.errors import UserError
from bench.protocols.protocol import Evaluation
from bench.records import fields, layout, weights
from tests.report.synthetic import write_run


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    files.write_atomically(path, lambda p: p.write_text("old"))

    def fails(p: Path) -> None:
        p.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match="No space left"):
        files.write_atomically(path, fails)
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


def test_a_method_may_use_more_settings_than_when_it_was_trained(folder: Path) -> None:
    evaluation = next((folder / "evaluations").glob("*.json"))
    for path, settings in ((folder / layout.RECORD, ["inner_lr"]), (evaluation, ["inner_lr", "inner_steps"])):
        path.write_text(json.dumps(files.seal(json.loads(path.read_text()) | {"settings": settings})))
    record = records.read(folder)
    assert record.settings() == ("inner_lr",) and record.settings(record.evaluations[0]) == ("inner_lr", "inner_steps")


def test_scores_that_are_written_again_may_be_other_bytes(folder: Path) -> None:
    (found,) = records.read(folder).evaluations
    records.write_evaluation(folder, found.evaluation, found.iteration, found.step, 1 - found.scores, found.info)
    (again,) = records.read(folder).evaluations
    assert (again.scores == 1 - found.scores).all() and again.info["sha256"] != found.info["sha256"]


def test_find(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path, "tiny", seed=10)
    name = "/".join(folder.parts[-4:])
    for text in (str(folder), name):
        assert layout.find(tmp_path, [text], one=True) == [folder]
    monkeypatch.chdir(folder)
    assert layout.find(tmp_path, ["."], one=True) == [folder]
    assert len(layout.find(tmp_path, [""])) == 2  # all of them, also here
    assert layout.find(tmp_path, [name + "0"])[0].name == "seed10"
    write_run(tmp_path, "tiny", "maml++")
    assert {found.parents[1].name for found in layout.find(tmp_path, ["tiny/maml"])} == {"maml"}
    assert {found.parents[1].name for found in layout.find(tmp_path, ["tiny/mam"])} == {"maml", "maml++"}
    with pytest.raises(UserError, match=f"no run .*under {tmp_path}: did you mean tiny/maml[?] names there"):
        layout.find(tmp_path, ["tiny/fomaml"])
    with pytest.raises(UserError, match=r"no runs: .* has no records"):
        layout.find(tmp_path / "empty", [""])
    with pytest.raises(UserError, match="matches 2 runs"):
        layout.find(tmp_path, ["tiny/maml"], one=True)


def test_a_method_that_scores_every_step_says_which_counts_whatever_its_protocol_scores() -> None:
    """`protonet` and `finetune` under `nichol`, which scores Reptile after its last step alone."""
    nichol = Evaluation(scored_steps="last", inner_steps=50)
    of_reptile = records.Evaluated(nichol, 1, 0, np.zeros((2, 1)), {"settings": ["inner_steps", "scored_steps"]})
    of_others = [records.Evaluated(nichol, 1, step, np.zeros((2, 6)), {"settings": []}) for step in (0, 3)]
    assert of_reptile.inner_step == 50 and [each.inner_step for each in of_others] == [0, 3]


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
        (lambda f: edit(f / "record.json", seed="0"), "seed is missing or has the wrong type"),
        (lambda f: edit(f / "record.json", iteration=-1), "iteration is missing or has the wrong type"),
        (lambda f: edit(f / "record.json", iteration=float("nan")), "NaN is not a number"),
        (lambda f: edit(f / "record.json", status="fine"), "status is not one of"),
        (lambda f: edit(f / "record.json", best_iteration=3), "damaged or edited"),
        (lambda f: edit(next((f / "evaluations").glob("*.json")), episodes_digest="f" * 64), "damaged or edited"),
        (lambda f: edit(f / "record.json", files={"../x": "0" * 64}), "not a file of a record"),
        (lambda f: edit(f / "record.json", environment={"packages": []}), "environment.packages"),
        (lambda f: (f / "record.json").write_text('"' + "x" * files.MOST_JSON_BYTES + '"'), "above the limit of"),
        (lambda f: f.joinpath("record.json").unlink() or os.mkfifo(f / "record.json"), "not a file"),
        (lambda f: edit(f / "record.json", seed=2), "edited"),
        (lambda f: edit(f / "record.json", training={}), "edited"),
        (lambda f: edit(f / "record.json", data={"digest": 1}), "data.name"),
        (lambda f: edit(next((f / "evaluations").glob("*.json")), step=1.5), "step"),
        (lambda f: edit(next((f / "evaluations").glob("*.json")), iteration=7), "edited"),
        (lambda f: f.joinpath("curve.parquet").write_bytes(b""), "damaged"),
        (lambda f: next((f / "evaluations").glob("*.parquet")).write_bytes(b"PAR1"), "damaged"),
        (lambda f: next((f / "evaluations").glob("*.parquet")).unlink(), "parquet"),
    ],
)
def test_damage_is_named(folder: Path, tmp_path: Path, damage, message: str) -> None:
    damage(folder)
    with pytest.raises(fields.Corrupt, match=message) as caught:
        records.read(folder)
    assert "\n" not in str(caught.value) and str(folder) in str(caught.value)
    assert records.read_all(tmp_path) == ([], [str(caught.value)])


STORED = Path(__file__).parent / "stored"
REFERENCE = Path(__file__).parents[2] / "results" / "reference"


@pytest.mark.parametrize("results", [*sorted(STORED.iterdir()), REFERENCE], ids=lambda path: path.name)
def test_records_of_older_versions_are_read(results: Path) -> None:
    """Records of every format, as they were written: a change that breaks them needs a new format, and must read
    both."""
    found, problems = records.read_all(results)
    assert found and problems == []
    assert all(record.evaluations for record in found if record.status == "finished")


def test_what_an_older_version_stored_is_what_is_read(tmp_path: Path) -> None:
    results = shutil.copytree(STORED / "format-1", tmp_path / "runs")
    (record,) = records.read_all(results)[0]
    assert (record.name, record.seed, record.status) == ("tiny/maml/9bd34374/seed0", 0, "finished")
    assert record.info["iteration"] == 4 and record.training.filters == 2 and record.info["best_iteration"] == 2
    (found,) = record.evaluations
    assert found.scores.shape == (8, 4) and round(100 * found.final.mean(), 2) == 27.50
    state = weights.load_state(record.path / layout.WEIGHTS, torch.device("cpu"))
    assert state.params["conv1.weight"].shape == (2, 1, 3, 3)
