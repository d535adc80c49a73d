"""The data directory: a data set is there completely or not at all, and trusted only after it was checked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.data import adding, catalogue, listing, prepared, sources, store
from bench.data.images import SourceClass
from bench.errors import UserError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path, home, small_copy) -> Path:
    """A prepared small miniImageNet."""
    adding.add("mini-imagenet", small_copy.write_folder(tmp_path / "copy"), home, partial=True)
    return home / "mini-imagenet"


def _rows(rows):
    return {row["source"]: row for row in rows}


def test_the_data_directory_is_as_said_or_of_the_environment_or_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "environment"))
    assert sources.data_dir(tmp_path) == tmp_path
    assert sources.data_dir(None) == tmp_path / "environment"
    monkeypatch.delenv("BENCH_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert sources.data_dir(None).name == "bench-few-shot"


def test_what_is_not_here_says_how_to_get_it(home, refused):
    line = refused(store.load, "mini-imagenet", home)
    assert "python -m bench data add mini-imagenet PATH" in line and "mini-imagenet-cache" in line and str(home) in line


def test_unknown_names_are_told_the_known(home, refused):
    assert "did you mean 'omniglot'" in refused(store.load, "omniglott", home)
    assert "did you mean 'mini-imagenet'" in refused(adding.add, "mini_imagenet", home, home)
    assert "did you mean 'lanczos'" in refused(store.load, "omniglot", home, "lanzos")


def test_loading_maps_the_file_and_changes_nothing(folder, home):
    images = store.load("mini-imagenet", home).images
    assert isinstance(images, np.memmap) and not images.flags.writeable
    assert np.array_equal(images, np.load(folder / "images.npy"))  # numpy's own reader takes the header


def test_omniglot_is_here_at_once_and_prepared_once(home):
    first = store.load("omniglot", home)
    file = home / "omniglot-embedded" / "nearest" / "images.npy"
    written = file.stat().st_mtime_ns
    again = store.load("omniglot", home)
    assert first.digest == again.digest == sources.OMNIGLOT_DIGEST and first.known_as.startswith("Omniglot")
    assert file.stat().st_mtime_ns == written
    assert first.images.shape == (32_460, 28, 28, 1) and set(np.unique(first.images)) == {0, 255}
    assert [len(first.split(split)) for split in ("train", "valid", "test")] == [1100, 100, 423]
    assert sum(c.count - c.distinct for c in first.classes) == 6


def test_the_drawings_stand_in_one_order_whatever_their_resizing(home):
    nearest, lanczos = store.load("omniglot", home), store.load("omniglot", home, "lanczos")
    assert nearest.digest == lanczos.digest and len(np.unique(lanczos.images)) > 100
    same = [a == b for a, b in zip(nearest.classes, lanczos.classes, strict=True)]
    assert same.count(False) == 5  # classes with images that only NEAREST makes equal
    likeness = [np.corrcoef(nearest.images[i].ravel(), lanczos.images[i].ravel())[0, 1] for i in range(0, 32_460, 999)]
    assert min(likeness) > 0.5


def test_omniglot_needs_no_directory_that_can_be_written(tmp_path, home):
    (tmp_path / "file").touch()
    in_memory = store.load("omniglot", tmp_path / "file" / "below")
    on_disk = store.load("omniglot", home)
    assert in_memory.classes == on_disk.classes and in_memory.digest == on_disk.digest
    assert np.array_equal(in_memory.images, on_disk.images) and not isinstance(in_memory.images, np.memmap)


@pytest.mark.parametrize("file", ["images.npy", "manifest.json"])
def test_a_damaged_cache_of_the_embedded_omniglot_mends_itself(home, file):
    store.load("omniglot", home)
    path = home / "omniglot-embedded" / "nearest" / file
    os.truncate(path, 100)
    assert store.load("omniglot", home).images.shape == (32_460, 28, 28, 1) and path.stat().st_size > 100
    assert all(check["ok"] for check in listing.verify(home))


def test_a_cache_of_another_embedded_file_is_not_used(home):
    store.load("omniglot", home)
    path = home / "omniglot-embedded" / "nearest" / "manifest.json"
    path.write_text(path.read_text().replace(sources.OMNIGLOT_DIGEST, "0" * 64))
    assert store.load("omniglot", home).digest == sources.OMNIGLOT_DIGEST


@pytest.mark.slow
def test_several_processes_may_be_the_first(home):
    code = "from pathlib import Path; from bench.data.store import load; print(load('omniglot', Path({!r})).digest)"
    command = [sys.executable, "-c", code.format(str(home))]
    runs = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) for _ in range(3)]
    sums = {run.communicate()[0] for run in runs}
    assert len(sums) == 1 and all(run.returncode == 0 for run in runs)
    assert [path.name for path in home.iterdir()] == ["omniglot-embedded"]
    assert all(check["ok"] for check in listing.verify(home))


def test_an_omniglot_that_was_added_goes_before_the_embedded(tmp_path, home, characters, write_png):
    for name, drawings in characters.items():
        (tmp_path / "copy" / name).mkdir(parents=True)
        for k, drawing in enumerate(drawings):
            (tmp_path / "copy" / name / f"{k}.png").write_bytes(write_png(drawing))
    store.load("omniglot", home)
    adding.add("omniglot", tmp_path / "copy", home, partial=True)
    assert len(store.load("omniglot", home).classes) == len(store.load("omniglot", home, "lanczos").classes) == 3
    assert _rows(listing.available(home))["omniglot"]["embedded"] is False


def test_the_same_again_is_kept_another_replaces_it_and_a_damaged_one_is_mended(tmp_path, home, folder, small_copy):
    before = (folder / "images.npy").stat().st_ino
    again = adding.add("mini-imagenet", small_copy.write_hdf5(tmp_path / "hdf5"), home, partial=True)
    assert (again["status"], again["replaced"]) == ("kept", None) and (folder / "images.npy").stat().st_ino == before
    (tmp_path / "copy" / "images" / "n0193011200000002.jpg").unlink()
    other = adding.add("mini-imagenet", tmp_path / "copy", home, partial=True)
    assert (other["status"], other["replaced"]) == ("replaced", again["digest"])
    assert store.load("mini-imagenet", home).digest == other["digest"] != again["digest"]
    _flip(folder / "images.npy")
    assert adding.add("mini-imagenet", tmp_path / "copy", home, partial=True)["status"] == "mended"
    assert all(check["ok"] for check in listing.verify(home))


def test_what_fails_leaves_what_was_here_and_no_half(tmp_path, home, folder, refused, monkeypatch):
    digest = store.load("mini-imagenet", home).digest
    refused(adding.add, "mini-imagenet", tmp_path / "copy", home)
    (tmp_path / "copy" / "images" / "n0193011200000002.jpg").unlink()

    def full(path, value):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(prepared, "write_json", full)
    line = refused(adding.add, "mini-imagenet", tmp_path / "copy", home, partial=True)
    assert "No space left on device" in line and "--data-dir" in line
    assert store.load("mini-imagenet", home).digest == digest
    assert [path.name for path in home.iterdir()] == ["mini-imagenet"]


def test_where_a_folder_cannot_be_put_in_place_the_old_comes_back(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "old").touch()
    with pytest.raises(OSError):
        prepared.install(tmp_path / "never written", tmp_path / "target")
    assert [path.name for path in (tmp_path / "target").iterdir()] == ["old"]


def test_a_data_directory_that_cannot_be_written_is_one_line(tmp_path, small_copy, refused):
    (tmp_path / "file").touch()
    copy = small_copy.write_folder(tmp_path / "copy")
    line = refused(adding.add, "mini-imagenet", copy, tmp_path / "file" / "below", partial=True)
    assert "cannot write" in line and "BENCH_DATA" in line


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def _edit(path: Path, **changes) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


DAMAGE = {
    "images truncated": lambda folder: os.truncate(folder / "images.npy", 1000),
    "images one byte short": lambda folder: os.truncate(
        folder / "images.npy", (folder / "images.npy").stat().st_size - 1
    ),
    "images longer": lambda folder: os.truncate(folder / "images.npy", 10**7),
    "images empty": lambda folder: os.truncate(folder / "images.npy", 0),
    "images gone": lambda folder: (folder / "images.npy").unlink(),
    "other images": lambda folder: np.save(folder / "images.npy", np.zeros((16, 84, 84, 1), np.uint8)),
    "manifest truncated": lambda folder: os.truncate(folder / "manifest.json", 200),
    "manifest gone": lambda folder: (folder / "manifest.json").unlink(),
    "manifest a list": lambda folder: (folder / "manifest.json").write_text("[]"),
    "manifest without digest": lambda folder: _edit(folder / "manifest.json", classes=[], shape=[1, 84, 84, 3]),
    "manifest of a newer version": lambda folder: _edit(folder / "manifest.json", format=99),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_that_can_be_seen_is_one_line_with_the_command_that_mends_it(home, folder, refused, damage):
    DAMAGE[damage](folder)
    line = refused(store.load, "mini-imagenet", home)
    assert str(folder) in line and "python -m bench data add mini-imagenet PATH" in line
    row = _rows(listing.available(home))["mini-imagenet"]
    assert not row["here"] and row["problem"] == line
    assert not _rows(listing.verify(home))["mini-imagenet"]["ok"]


def test_damage_that_can_only_be_read_is_found_by_verify(home, folder):
    assert all(check["ok"] for check in listing.verify(home))
    _flip(folder / "images.npy")
    store.load("mini-imagenet", home)
    check = _rows(listing.verify(home))["mini-imagenet"]
    assert not check["ok"] and "images.npy" in check["line"] and "SHA-256" in check["line"]


def test_a_manifest_that_was_changed_is_found_by_verify(home, folder):
    _edit(folder / "manifest.json", digest=sources.MINI_IMAGENET_DIGEST)
    check = _rows(listing.verify(home))["mini-imagenet"]
    assert not check["ok"] and "digest" in check["line"]


def test_what_is_here_is_listed(home, folder):
    rows = _rows(listing.available(home))
    assert rows.keys() == set(catalogue.SOURCES)
    here = rows["mini-imagenet"]
    assert here["here"] and here["partial"] and here["images"] == 16 and here["where"] == str(folder)
    assert here["counts"] == {"train": 2, "valid": 1, "test": 1} and here["known_as"] is None
    embedded = rows["omniglot"]
    assert embedded["here"] and embedded["embedded"] and embedded["images"] == 32_460
    assert embedded["counts"] == {"train": 1100, "valid": 100, "test": 423}
    missing = _rows(listing.available(home / "empty"))["mini-imagenet"]
    assert not missing["here"] and missing["problem"] is None and missing.keys() == here.keys() == embedded.keys()


def test_nothing_at_all_is_one_line(home):
    nothing = [SourceClass("n01532829", "train", 0, lambda: np.empty((0, 84, 84, 3), np.uint8))]
    with prepared.workplace(home, "x") as temporary, pytest.raises(UserError, match="no image"):
        prepared.write(temporary, nothing, None, dict)


def test_the_modules_import_no_torch_and_print_nothing():
    code = "import sys; from bench.data import store; assert 'torch' not in sys.modules and 'h5py' not in sys.modules"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
