"""`export` and `import`: everything exported arrives unchanged, and nothing else is accepted."""

from __future__ import annotations

import io
import json
import shutil
import signal
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench import cli, errors, files
from bench.data.readers import archives
from bench.records import layout, locks
from bench.tools.capsule import contents, exporting, importing
from methods import METHODS
from tests.conftest import Command, one_line
from tests.killing import command

RUN = ("run", "--benchmark", "tiny", "--iterations", "2", "--set", "validations=1", "--keep", "1")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> Path:
    results = tmp_path_factory.mktemp("trained") / "r"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_DATA", str(data_dir))
        assert cli.main([*RUN, "--seeds", "2", "--results", str(results)]) == 0
    return results


@pytest.fixture
def content(trained: Path, tmp_path: Path) -> dict[str, bytes]:
    """The members of a good capsule of one run."""
    path = tmp_path / "good.zip"
    exporting.export([next(layout.folders(trained))], path)
    return archives.read_stored(path)


def packed(path: Path, content: dict[str, bytes]) -> Path:
    """Packs these members with a matching manifest, as a forger would."""
    others = {name: data for name, data in content.items() if name != contents.MANIFEST}
    manifest = json.loads(content[contents.MANIFEST]) | {"files": contents.checksums(others)}
    exporting.write(path, others | {contents.MANIFEST: json.dumps(manifest).encode()})
    return path


def resealed(content: dict[str, bytes], **changes: str) -> None:
    """Changes the record, with a matching checksum."""
    name = member(content, layout.RECORD)
    content[name] = json.dumps(files.seal(json.loads(content[name]) | changes)).encode()


def member(content: dict[str, bytes], ending: str) -> str:
    return next(name for name in content if name.endswith(ending))


def kept(results: Path) -> set[Path]:
    """All files except locks."""
    return {p.relative_to(results) for p in results.rglob("*") if p.is_file() and not p.name.endswith(".lock")}


def test_what_is_handed_on_can_be_verified_with_two_commands(typed: Command, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "results" / "runs")
    exported = typed("export", "tiny/maml", "--out", "capsule.zip")
    assert exported.returncode == 0 and "capsule.zip: 2 runs, " in exported.stdout
    imported = typed("import", "capsule.zip", "--results", "theirs")
    assert imported.returncode == 0 and imported.stdout.count(": imported") == 2
    *_, said = imported.stdout.splitlines()
    command = said.removeprefix("verify with: python -m bench ").split()
    verified = typed(*command)
    assert verified.returncode == 0 and verified.stdout.count("verified: bit for bit") == 2
    assert kept(trained) == kept(tmp_path / "theirs")
    assert typed("import", "capsule.zip", "--results", "theirs").stdout.count(": already there") == 2
    assert "capsule.zip exists" in one_line(typed("export", "tiny/maml", "--out", "capsule.zip"))


@pytest.mark.parametrize("method", [name for name in METHODS if not name.isalpha()])
def test_runs_can_be_handed_on_whatever_their_method_is_called(typed: Command, method: str) -> None:
    trained = typed(*RUN, "--method", method, "--results", "r")
    assert trained.returncode == 0, trained.stderr
    assert typed("export", "--all", "--out", "all.zip", "--results", "r").returncode == 0
    assert f"/{method}/" in typed("import", "all.zip", "--results", "theirs").stdout


@pytest.mark.parametrize("at", [2, 5, 9, 14, 20, 40])
def test_a_killed_import_leaves_nothing_to_the_next_one(trained: Path, tmp_path: Path, data_dir: Path, at: int) -> None:
    """Killed before its file operation with this number."""
    exporting.export(list(layout.folders(trained)), tmp_path / "capsule.zip")
    arguments = ("import", "capsule.zip", "--results", "theirs")
    killed = command(tmp_path, data_dir, arguments, at=at)
    assert killed.code == -signal.SIGKILL
    again = command(tmp_path, data_dir, arguments)
    assert again.code == 0 and kept(trained) == kept(tmp_path / "theirs")


def test_equal_content_is_equal_bytes(trained: Path, tmp_path: Path) -> None:
    folders = list(layout.folders(trained))
    exporting.export(folders, tmp_path / "a.zip")
    moved = Path(shutil.copytree(trained, tmp_path / "elsewhere"))
    exporting.export(list(layout.folders(moved))[::-1], tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_the_manifest_says_what_it_was_made_with(content: dict[str, bytes]) -> None:
    (about,) = json.loads(content[contents.MANIFEST])["runs"].values()
    assert about["commands"]["made by"].startswith("python -m bench run --benchmark tiny")
    assert about["commands"]["verify"].startswith("python -m bench verify tiny/maml/")
    assert len(about["data"]["digest"]) == len(about["episodes_digest"]["train"]) == 64
    lock = content[contents.LOCK].decode().splitlines()
    assert {"numpy", "torch", "pytest"} <= {line.partition("==")[0] for line in lock} and all("==" in x for x in lock)


def test_another_state_is_left_as_it_is(trained: Path, content: dict[str, bytes], tmp_path: Path) -> None:
    results = Path(shutil.copytree(trained, tmp_path / "r"))
    path = packed(tmp_path / "c.zip", content)
    folder = next(layout.folders(results))
    (folder / "evaluations" / "00000000@2.json").write_text("{}")  # one more evaluation is no other state
    assert list(importing.bring_in(path, results).values()) == ["already there"]
    (folder / "weights.safetensors").rename(folder / "aside")
    with pytest.raises(errors.UserError, match=r"in another state \(weights.safetensors is not there\)"):
        importing.bring_in(path, results)
    (folder / "aside").rename(folder / "weights.safetensors")
    info = json.loads((folder / layout.RECORD).read_text())
    (folder / layout.RECORD).write_text(json.dumps(info | {"best_score": 0.5}))
    before = {each: each.read_bytes() for each in results.rglob("*") if each.is_file()}
    with pytest.raises(errors.UserError, match=r"this run is there, in another state \(record.json differs\)"):
        importing.bring_in(path, results)
    assert before == {each: each.read_bytes() for each in results.rglob("*") if each.is_file()}


def test_evaluations_are_added_to_the_run_that_is_there(typed: Command, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "ours")
    shutil.copytree(trained, tmp_path / "theirs")
    *_, run = layout.folders(tmp_path / "ours")  # the last that is imported
    assert typed("evaluate", str(run), "--set", "episodes=3").returncode == 0
    assert typed("export", "--all", "--results", "ours", "--out", "c.zip").returncode == 0
    with locks.lock(tmp_path / "theirs" / run.relative_to(tmp_path / "ours")):
        other = next(layout.folders(tmp_path / "theirs"))
        aside = other.rename(tmp_path / "aside")
        assert "another process is" in one_line(typed("import", "c.zip", "--results", "theirs"))
        assert not other.exists()  # nothing is imported, not even what could be
        aside.rename(other)
    imported = typed("import", "c.zip", "--results", "theirs").stdout
    assert imported.count("already there; 1 evaluation added") == 1 and imported.count("already there\n") == 1
    assert kept(tmp_path / "ours") == kept(tmp_path / "theirs")
    assert "already there\n" in typed("import", "c.zip", "--results", "theirs").stdout
    assert typed("verify", "--all", "--results", "theirs").returncode == 0


def table(value: object) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(pd.DataFrame(value)), buffer)
    return buffer.getvalue()


def renamed(content: dict[str, bytes], old: str, new: str) -> None:
    content[new] = content.pop(old)


FORGED: dict[str, tuple[Callable[[dict[str, bytes]], object], str]] = {
    "a path upwards": (lambda c: c.update({"runs/../../x": b""}), "points outside the archive"),
    "an absolute path": (lambda c: c.update({"/etc/x": b""}), "points outside the archive"),
    "a drive": (lambda c: c.update({"C:x": b""}), "points outside the archive"),
    "a nested archive": (
        lambda c: c.update({member(c, "record.json")[:-11] + "more.zip": b""}),
        "is not a file of a run",
    ),
    "a file of no run": (lambda c: c.update({"runs/x": b""}), "is not a file of a run"),
    "a hidden folder": (
        lambda c: renamed(c, n := member(c, "curve.parquet"), n.replace("tiny", ".x")),
        "is not a file of",
    ),
    "a missing file": (lambda c: c.pop(member(c, "best.safetensors")), "files that its record lists are missing"),
    "one file too many": (
        lambda c: c.update({member(c, "record.json")[:-11] + "weights@7.safetensors": b"x"}),
        "or has files that its record does not list",
    ),
    "a damaged file": (lambda c: c.update({member(c, "curve.parquet"): table({"a": [1.0]})}), "damaged"),
    "a table of words": (lambda c: c.update({member(c, "curve.parquet"): table({"a": ["x"]})}), "damaged"),
    "not a table": (lambda c: c.update({member(c, "curve.parquet"): b"PAR1" * 9}), "curve.parquet"),
    "an unfinished run": (
        lambda c: resealed(c, status="unfinished"),
        "is unfinished",
    ),
    "another method": (
        lambda c: resealed(c, method="fomaml"),
        "it does not match its folder",
    ),
    "no record": (lambda c: c.pop(member(c, "record.json")), "record.json"),
    "no run": (lambda c: [c.pop(n) for n in list(c) if n.startswith("runs/")], "it holds no run"),
}


@pytest.mark.parametrize("name", FORGED)
def test_what_is_forged_is_refused_whole(content: dict[str, bytes], tmp_path: Path, name: str) -> None:
    change, said = FORGED[name]
    change(content)
    refused(packed(tmp_path / "c.zip", content), tmp_path / "r", said)


def refused(path: Path, results: Path, said: str) -> None:
    with pytest.raises(errors.UserError) as caught:
        importing.bring_in(path, results)
    assert said in str(caught.value) and "\n" not in str(caught.value)
    assert not results.exists() or [path.suffix for path in results.iterdir()] == [".lock"]


def add(path: Path, name: str, data: bytes = b"x", kind: int = stat.S_IFREG, compression: int = 0) -> None:
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr, info.compress_type = (kind | 0o644) << 16, compression
        archive.writestr(info, data)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("name", "how", "said"),
    [
        ("link", {"kind": stat.S_IFLNK, "data": b"/etc/passwd"}, "a link or a device"),
        ("device", {"kind": stat.S_IFCHR}, "a link or a device"),
        ("bomb", {"data": bytes(1 << 20), "compression": zipfile.ZIP_DEFLATED}, "not a plain stored file"),
        ("folder/", {"data": b""}, "not a plain stored file"),
        ("large", {"data": bytes((1 << 26) + 1)}, "more than"),
        ("unlisted", {}, "unlisted does not match capsule.json"),
        (contents.LOCK, {}, "is in it twice"),
    ],
)
def test_members_that_do_harm_are_refused(
    content: dict[str, bytes], tmp_path: Path, name: str, how: dict, said: str
) -> None:
    path = packed(tmp_path / "c.zip", content)
    add(path, name, **how)
    refused(path, tmp_path / "r", said)


def test_sums_are_checked(content: dict[str, bytes], tmp_path: Path) -> None:
    content[member(content, "record.json")] += b" "
    exporting.write(tmp_path / "c.zip", content)
    refused(tmp_path / "c.zip", tmp_path / "r", "record.json does not match capsule.json")


def test_mistakes(typed: Command, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("no archive")
    assert "not an archive" in one_line(typed("import", "text.zip"))
    assert "no such file" in one_line(typed("import", "nothing.zip"))
    exporting.write(tmp_path / "other.zip", {"readme.txt": b""})
    assert "not a capsule" in one_line(typed("import", "other.zip"))
    exporting.write(tmp_path / "newer.zip", {contents.MANIFEST: b'{"format": 2, "files": {}}'})
    assert "newer version" in one_line(typed("import", "newer.zip"))
    assert "no run 'x'" in one_line(typed("export", "x", "--out", "x.zip"))
    assert "--out" in one_line(typed("export", "x"))
    results = Path(shutil.copytree(trained, tmp_path / "r"))
    (next(layout.folders(results)) / layout.WEIGHTS).write_bytes(b"")
    assert "damaged" in one_line(typed("export", "tiny", "--out", "x.zip", "--results", "r"))
    assert not (tmp_path / "x.zip").exists() and not (tmp_path / "results").exists()
