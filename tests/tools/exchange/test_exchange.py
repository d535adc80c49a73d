"""Exported episodes and scored predictions, at the real command line."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

from bench import files, frame, records
from bench.data import store
from bench.episodes.images import ImageEpisodes
from bench.errors import UserError
from bench.records import layout
from bench.tools.exchange import export
from bench.tools.exchange import stream as named_stream
from tests.conftest import Command, one_line

EXPORT = ("episodes", "export", "--benchmark", "tiny", "--episodes", "20")
SCORE = ("score", "predictions.parquet", "--name", "Their method")


@pytest.fixture
def handed_out(typed: Command, tmp_path: Path) -> Path:
    assert typed(*EXPORT, "--out", "episodes").returncode == 0
    return tmp_path / "episodes"


def predictions(folder: Path, right: float = 1.0, seed: int = 0) -> pd.DataFrame:
    """Predictions that have the right label for every query with this probability, and a random label otherwise."""
    query = pd.read_parquet(folder / "episodes.parquet").query("part == 'query'")
    guessed = np.random.default_rng(seed).integers(0, 5, len(query))
    known = np.random.default_rng(seed + 1).random(len(query)) < right
    stream = json.loads((folder / "manifest.json").read_text())["stream"]
    labels = np.where(known, query["label"], guessed)
    return pd.DataFrame({"stream": stream, "episode": query["episode"], "query": query["place"], "prediction": labels})


def test_the_export_is_the_stream_that_methods_see(typed: Command, tmp_path: Path) -> None:
    asked = ("--queries", "3", "--images", "--out", "out")
    assert typed(*EXPORT, *asked).returncode == 0
    manifest, table = (
        json.loads((tmp_path / "out" / "manifest.json").read_text()),
        tmp_path / "out" / "episodes.parquet",
    )
    assert manifest["files"] == {n: files.sha256(tmp_path / "out" / n) for n in ("episodes.parquet", "images.npy")}
    stream, count = named_stream.named_stream(manifest["stream"], None)
    assert count == 20
    source = ImageEpisodes(stream.benchmark, store.load("omniglot"), "test", 0, stream.benchmark.episode(3))
    images, rows = np.load(tmp_path / "out" / "images.npy"), pd.read_parquet(table)
    for episode in (0, 19):
        expected = source.episodes(episode, 1)
        for part, pixels, labels in (("support", *expected[:2]), ("query", *expected[2:])):
            mine = rows[(rows["episode"] == episode) & (rows["part"] == part)]
            assert mine["place"].tolist() == list(range(len(mine)))
            np.testing.assert_array_equal(mine["label"], labels[0])
            theirs = (pixels[0] * 255).round().byte().permute(0, 2, 3, 1).numpy()
            np.testing.assert_array_equal(images[mine["row"]], theirs)
    np.testing.assert_array_equal(stream.query_labels(0, 1), source.episodes(0, 1).query_labels)
    assert "exists" in one_line(typed(*EXPORT, "--out", "out"))


def test_scored_and_in_the_same_tables(typed: Command, tmp_path: Path, handed_out: Path) -> None:
    """Not judged, not pooled with our results, but paired with ours on the same episodes."""
    for seed in range(3):
        predictions(handed_out, 0.5, seed).to_parquet(tmp_path / f"p{seed}.parquet")
    files = tuple(f"p{seed}.parquet" for seed in range(3))
    scored = typed("score", *files, "--name", "Their method")
    assert scored.returncode == 0 and scored.stdout.count("test episodes") == 3
    found = sorted(records.read_all(tmp_path / "results" / "runs")[0], key=lambda record: record.seed)
    for record, file in zip(found, files, strict=True):
        table = pd.read_parquet(file).merge(
            pd.read_parquet(handed_out / "episodes.parquet").query("part == 'query'"),
            left_on=["episode", "query"],
            right_on=["episode", "place"],
        )
        right = (table["prediction"] == table["label"]).groupby(table["episode"]).mean()
        np.testing.assert_allclose(record.evaluations[0].final, right)
        assert record.method == "their-method" and record.info["origin"]["predictions"]
    assert typed("run", "--benchmark", "tiny", "--protocol", "paper", "--seeds", "3").returncode == 0
    (tmp_path / "results" / "runs" / "claims.csv").write_text(
        "benchmark,method,variant,accuracy,ci95,ci_meaning,tasks,queries_per_class,bn_mode,source,note,protocol,iterations,margin\n"
        "tiny,their-method,,60.0,1.0,over tasks,600,1,transductive,They themselves,,paper,20,2.0\n"
    )
    report = typed("report", "--out", "out")
    assert report.returncode == 0 and "predicted elsewhere, protocol unknown" in report.stdout
    with open(tmp_path / "out" / "report.csv", newline="") as file:
        rows = {row["method"]: row for row in csv.DictReader(file)}
    theirs = rows["their-method"]
    assert (theirs["verdict"], theirs["seeds"], theirs["iterations"]) == ("not judged", "3", "")
    assert "whose protocol is unknown" in theirs["why"]
    assert "maml − their-method" in (tmp_path / "out" / "report.md").read_text()
    table = frame(tmp_path / "results" / "runs", "evaluation").set_index("method")
    assert table.loc["their-method", "protocol"].isna().all()
    left = "left out: tiny/their-method (3 runs: predictions of other code, without weights)"
    for command, done in (("verify", "verified: bit for bit"), ("evaluate", "test episodes")):
        some = typed(command, "tiny")
        assert (some.returncode, some.stdout.count(done), some.stderr.splitlines()[-1]) == (0, 3, left)
    assert "there are no weights" in one_line(typed("evaluate", found[0].name))
    assert typed("export", found[0].name, "--out", "capsule.zip").returncode == 0
    assert typed("import", "capsule.zip", "--results", "other").returncode == 0
    assert "nothing to do under other: tiny/their-" in one_line(typed("verify", "--all", "--results", "other"))
    assert "all.zip: 6 runs" in typed("export", "--all", "--out", "all.zip").stdout


def test_a_column_that_stands_there_twice(typed: Command, tmp_path: Path, handed_out: Path) -> None:
    table = pyarrow.Table.from_pandas(predictions(handed_out), preserve_index=False)
    pyarrow.parquet.write_table(table.append_column("episode", table["episode"]), tmp_path / "predictions.parquet")
    assert "column episode appears twice" in one_line(typed(*SCORE))


def test_the_same_predictions_are_no_second_seed(typed: Command, tmp_path: Path, handed_out: Path) -> None:
    table = predictions(handed_out)
    table.to_parquet(tmp_path / "predictions.parquet")
    table.sample(frac=1, random_state=0).assign(more=1).astype({"query": "int8"}).to_parquet(tmp_path / "p2.parquet")
    said = one_line(typed("score", "p2.parquet", *SCORE[1:]))
    assert "hold the same predictions" in said


def test_files_that_lie_there_are_left_alone(typed: Command, tmp_path: Path) -> None:
    (tmp_path / "images.npy").write_text("mine")
    asked = ("episodes", "export", "--benchmark", "tiny", "--episodes", "2", "--images", "--out", ".")
    assert "images.npy exists: give another folder" in one_line(typed(*asked))
    assert [path.name for path in tmp_path.iterdir()] == ["images.npy"]


def test_nothing_is_left_of_an_export_onto_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise UserError("No space left on device")

    monkeypatch.setattr(files, "write_json", full)  # the last file
    stream = named_stream.stream("tiny", "test", 2, None, None)
    with pytest.raises(UserError, match="No space left"):
        export.export(stream, 2, tmp_path, images=True)
    assert not list(tmp_path.iterdir())
    monkeypatch.undo()
    assert set(export.export(stream, 2, tmp_path, images=True)["files"]) == {"episodes.parquet", "images.npy"}


def test_other_predictions_are_another_record(typed: Command, tmp_path: Path, handed_out: Path) -> None:
    for seed in (0, 0, 1):
        predictions(handed_out, 0.5, seed).to_parquet(tmp_path / "predictions.parquet")
        assert typed(*SCORE).returncode == 0
    assert len(list(layout.folders(tmp_path / "results" / "runs"))) == 2


def _changed(column: str, row: int, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        table = table.reset_index(drop=True)
        table.loc[row, column] = value
        return table

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda t: t.iloc[:-2], "episode 19, query 3 has no prediction, and so for 1 more"),
        (lambda t: pd.concat([t, t.iloc[:1]]), "episode 0, query 0 is predicted twice"),
        (lambda t: t.drop(columns="query"), "no column query"),
        (lambda t: t.assign(query=t["query"].astype("uint64").replace(3, 2**64 - 1)), "18446744073709551615"),
        (lambda t: t.assign(stream=None), "which is not text, in column stream"),
        (lambda t: t.assign(prediction=0.5), "prediction: give whole numbers"),
        (lambda t: t.iloc[:0], "0 rows"),
        (_changed("prediction", 3, 5), "prediction 5 is not from 0 to 4"),
        (_changed("episode", 3, -1), "episode -1 is not from 0 to 19"),
        (_changed("stream", 3, "tiny"), "2 values in column stream"),
        (lambda t: t.assign(stream="tiny"), "copy `stream` from the manifest"),
        (lambda t: t.assign(stream=f"tniy/test/20x1/{64 * '0'}"), "did you mean 'tiny'"),
        (lambda t: t.assign(stream=f"tiny/train/20x1/{64 * '0'}"), "only predictions for test episodes"),
        (lambda t: t.assign(stream=f"tiny/test/20x1/{64 * '0'}"), "these predictions are for other episodes"),
        (lambda t: t.assign(stream=f"tiny/test/20x0/{64 * '0'}"), "at least 1 query"),
        (
            lambda t: t.assign(stream=t["stream"].str.replace("20x1", "20x2")),
            "these predictions are for other episodes",
        ),
        (lambda t: t.assign(stream=f"sinusoid-5s/test/20x5/{64 * '0'}"), "only episodes of images"),
        (lambda t: t.assign(query=t["query"].astype("Int64").where(t["query"] > 0)), "a value is missing in"),
    ],
)
def test_what_is_no_complete_answer(
    typed: Command, tmp_path: Path, handed_out: Path, change: Callable[[pd.DataFrame], pd.DataFrame], expected: str
) -> None:
    change(predictions(handed_out)).to_parquet(tmp_path / "predictions.parquet")
    assert expected in one_line(typed(*SCORE))
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("score", "nothing.parquet", "--name", "x"), "cannot be read"),
        (("score", "episodes/manifest.json", "--name", "x"), "not a readable Parquet file"),
        ((*SCORE[:3], "MAML"), "say whose it is, such as 'their MAML'"),
        ((*SCORE[:3], "!!"), "with at least one letter from a to z or digit"),
        ((*SCORE, "--benchmark", "omniglot-5w1s"), "these predictions are for tiny"),
        (("score", "predictions.parquet", *SCORE[1:]), "hold the same predictions"),
        (("score", "predictions.parquet"), "--name"),
        ((*EXPORT, "--out", "other", "--split", "tets"), "did you mean 'test'"),
        ((*EXPORT, "--out", "other", "--queries", "20"), "at most 19"),
        (("episodes", "export", "--benchmark", "sinusoid-5s", "--out", "other"), "only episodes of images"),
        (
            ("episodes", "export", "--benchmark", "tiny", "--episodes", "1", "--out", "other"),
            "give 2 (which an interval needs)",
        ),
        (("episodes", "export", "--benchmark", "tiny", "--out", "predictions.parquet"), "cannot write"),
    ],
)
def test_mistakes(typed: Command, tmp_path: Path, handed_out: Path, arguments: tuple[str, ...], expected: str) -> None:
    predictions(handed_out).to_parquet(tmp_path / "predictions.parquet")
    assert expected in one_line(typed(*arguments))
    assert not (tmp_path / "results").exists() and not (tmp_path / "other").exists()


def test_episodes_whose_queries_stood_by_class_are_to_be_exported_again(handed_out: Path) -> None:
    name = json.loads((handed_out / "manifest.json").read_text())["stream"]
    stream, _ = named_stream.named_stream(name, None)
    before = named_stream.name_of(replace(stream, by_class=True), 20)
    with pytest.raises(UserError, match="export it again"):
        named_stream.named_stream(before, None)
