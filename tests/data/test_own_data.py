"""A user's own images, from a folder to a report, and benchmarks given by name only."""

from __future__ import annotations

import re
import shutil
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.analysis import claims_file
from bench.data import adding, catalogue, store
from bench.errors import UserError
from bench.protocols import benchmarks, presets
from tests.conftest import Command, one_line
from tests.data.readers.test_folder import write_classes

SHORT = tuple(
    word
    for setting in ("iterations=2", "validations=1", "validation_episodes=2", "filters=4", "evaluation.inner_steps=1")
    for word in ("--set", setting)
)


def test_every_data_set_at_any_ways_and_shots() -> None:
    found = benchmarks.get("omniglot-10w2s")
    assert (found.source, found.ways, found.shots, found.rotations) == ("omniglot", 10, 2, True)
    assert benchmarks.get("cifarfs-5w5s").input_shape == (3, 32, 32)
    assert benchmarks.get("mine-2w3s", {"mine": (1, 20, 20)}).input_shape == (1, 20, 20)
    for name, declared in benchmarks.BENCHMARKS.items():
        assert benchmarks.get(name) == declared


@pytest.mark.parametrize("name", ["omniglot-05w1s", "omniglot-5w0s", "omniglot-5w", "omniglot-5w1sx", "-5w1s", "x"])
def test_no_benchmark(name: str) -> None:
    with pytest.raises(UserError, match="unknown benchmark"):
        benchmarks.get(name)


def test_a_data_set_that_was_added_elsewhere_is_told_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"data sets of your own are looked for in {tmp_path} \(--data-dir or"):
        store.benchmark("mine-2w1s", tmp_path)
    with pytest.raises(UserError) as other:
        store.benchmark("omniglott", tmp_path)
    assert "--data-dir" not in str(other.value)


@pytest.mark.parametrize(
    ("name", "near"),
    [("cifafs-10w1s", "cifarfs-10w1s"), ("mien-5w5s", "mine-5w5s"), ("omniglot-5w1", "omniglot-5w1s")],
)
def test_the_nearest_name_is_suggested(name: str, near: str) -> None:
    with pytest.raises(UserError, match=f"did you mean '{near}'"):
        benchmarks.get(name, {"mine": (3, 84, 84)})


def test_a_record_tells_the_benchmark_of_images_that_are_not_here() -> None:
    info = {"benchmark": "mine-5w1s", "data": {"name": "mine", "shape": [20, 24, 3]}}
    assert benchmarks.of_record(info).input_shape == (3, 20, 24)
    assert benchmarks.of_record({"benchmark": "tiny", "data": {"name": "omniglot"}}) == benchmarks.get("tiny")
    for shape in ([20, 24], [20, 24, "3"], [20, 0, 3], "84"):
        with pytest.raises(UserError, match=r"data\.shape"):
            benchmarks.of_record({**info, "data": {"name": "mine", "shape": shape}})


def test_colour_is_treated_as_miniimagenet_and_grey_as_omniglot() -> None:
    colour, grey = (benchmarks.get("mine-5w5s", {"mine": (n, 84, 84)}) for n in (3, 1))
    assert presets.paper(colour) == presets.paper(benchmarks.get("miniimagenet-5w5s"))
    assert presets.paper(grey) == presets.paper(benchmarks.get("omniglot-5w5s"))


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 classes of 20 images."""
    return write_classes(tmp_path_factory.mktemp("own") / "photos", 12, 20)


@pytest.fixture(scope="session")
def prepared(photos: Path) -> Path:
    """A data directory that contains `photos` as `mine`."""
    adding.add_as("mine", catalogue.own("mine", 16, False, 0), photos, photos.parent / "data")
    return photos.parent / "data"


def test_own_images_are_a_benchmark_like_the_others(
    typed: Command, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = typed
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    added = mine("data", "add", "folder", str(photos), "--name", "mine", "--size", "16")
    assert added.returncode == 0 and "12 classes (8 train, 2 valid, 2 test)" in added.stdout, added
    assert "mine-<ways>w<shots>s" in mine("list").stdout and "images of your own" in mine("data", "list").stdout
    assert mine("show", "episode", "--benchmark", "mine-2w1s", "--out", "x.png").returncode == 0
    asked = ("run", "--benchmark", "mine-2w1s", *SHORT, "--set", "evaluation.episodes=4")
    ran = mine(*asked)
    assert ran.returncode == 0 and "compared    maml: no published number" in ran.stdout, ran
    columns = ",".join(claims_file._COLUMNS)
    claim = "mine-2w1s,maml,,61.5,1.2,over tasks,100,1,,A colleague,,quick,,2\n"
    beside = tmp_path / "results" / "runs" / "claims.csv"
    beside.write_text(f"{columns}\nelsewhere-2w1s,maml,,50,,,,,,Another,,,,\n{claim}")
    again = mine(*asked).stdout
    assert "already finished" in again and "compared    maml: with 61.50 ± 1.20 (A colleague), which will not" in again
    listed = mine("list", "--claims")
    assert "error: results/runs/claims.csv, line 2: unknown benchmark 'elsewhere-2w1s'" in listed.stderr, listed
    beside.write_text(f"{columns}\n{claim}")
    assert re.search(r"^  mine-2w1s +maml +61\.50 ± 1\.20 +quick .*A colleague$", mine("list", "--claims").stdout, re.M)
    beside.unlink()
    evaluated = mine("evaluate", "mine-2w1s", "--set", "queries=2", "--set", "episodes=4")
    assert evaluated.returncode == 0, evaluated
    verified = mine("verify", "mine-2w1s").stdout
    assert "(images of your own)" in verified and "verified: bit for bit" in verified
    (tmp_path / "data").rename(tmp_path / "elsewhere")  # the report needs no images
    report = mine("report")
    text = (tmp_path / "results" / "report" / "report.md").read_text()
    assert report.returncode == 0 and "no published number" in report.stdout
    assert "### mine-2w1s" in text and "nothing is judged" in text
    (tmp_path / "c.csv").write_text(f"{columns}\n{claim}")
    claimed = mine("report", "--claims", "c.csv")
    assert claimed.returncode == 0 and "claim 61.50 ± 1.20 (A colleague)" in claimed.stdout, claimed
    (tmp_path / "c.csv").write_text(f"{columns}\nmien-2w1s,maml,,61.5,,,,,,A colleague,,,,\n")
    assert "c.csv, line 2: unknown benchmark 'mien-2w1s': did you mean 'mine-2w1s'" in one_line(
        mine("report", "--claims", "c.csv")
    )
    assert "python -m bench data add folder PATH --name mine" in one_line(mine("evaluate", "mine-2w1s"))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("run", "--benchmark", "mien-2w1s"), "did you mean 'mine-2w1s'"),
        (("run", "--benchmark", "mine-3w1s"), "3 ways, but the data have 2 test classes"),
        (("run", "--benchmark", "mine-2w10s"), "set queries to at most 10"),
        (("run", "--benchmark", "mine-2w20s"), "take fewer shots"),
        (("show", "episode", "--benchmark", "mine-2w30s", "--out", "x.png"), "take fewer shots"),
        (("data", "add", "folder", "photos"), "--name"),
        (("data", "add", "folder", "nowhere", "--name", "other"), "nowhere"),
        (("data", "add", "folder", "photos", "--name", "omniglot"), "this name is taken"),
        (("data", "add", "folder", "photos", "--name", "x", "--size", "9"), "16 to 256"),
        (("data", "add", "omniglot", "photos", "--size", "32", "--grey"), "--size, --grey: only for"),
        (("data", "add", "cifar-fs", "photos"), "no CIFAR-100 in it"),
        (("run", "--benchmark", "cub-5w1s"), "data add cub PATH"),
    ],
)
def test_one_line(
    typed: Command, prepared: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], expected: str
) -> None:
    monkeypatch.setenv("BENCH_DATA", str(prepared))
    monkeypatch.chdir(prepared.parent)
    assert expected in one_line(typed(*arguments))


def test_images_in_training_and_in_test_are_said_wherever_the_data_are_named(
    typed: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    photos, random = tmp_path / "photos", np.random.default_rng(0)
    for split, kind, k in product(("train", "val", "test"), range(3), range(4)):
        (folder := photos / split / f"{split}{kind}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (20, 20, 3), np.uint8)).save(folder / f"{k}.png")
    for k, file in enumerate(sorted((photos / "test").rglob("*.png"))[:3]):
        shutil.copy(file, photos / "train" / "train0" / f"again{k}.png")
    added = typed("data", "add", "folder", str(photos), "--name", "twice", "--size", "16")
    remark = next(line for line in added.stdout.splitlines() if line.endswith("are in training and in test"))
    assert remark.removeprefix("note: ") in typed("data", "list").stdout
    few = ("--set", "queries=2", "--set", "evaluation.queries=2", "--set", "evaluation.episodes=4")
    ran = typed("run", "--benchmark", "twice-2w1s", *SHORT, *few)
    assert f"            {remark}" in ran.stdout.splitlines(), ran
    assert typed("report").returncode == 0
    assert remark.removeprefix("note: ") in (tmp_path / "results" / "report" / "report.md").read_text()
