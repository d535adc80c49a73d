"""Omniglot: the embedded file whole, the split, the resizing, and a user's copy in every form."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from bench.data import adding, embedded_omniglot, sources, store
from bench.data.arrange import assemble
from bench.data.readers import omniglot
from bench.data.splits import read_split

ROOT = Path(__file__).parents[3]


def test_the_embedded_file_holds_all_of_omniglot():
    found = embedded_omniglot.open_embedded()
    info = assemble(found.classes, None, lambda images: None)
    assert info["shape"] == [32_460, 105, 105, 1] and {c["count"] for c in info["classes"]} == {20}
    assert info["counts"] == {"train": 1100, "valid": 100, "test": 423}
    assert info["digest"] == sources.OMNIGLOT_DIGEST
    assert info["identical"]["kinds"] == {"within a class": 1}


def test_ink_is_255_and_rare():
    images = embedded_omniglot.open_embedded().classes[0].read()
    assert set(np.unique(images)) == {0, 255} and 0.02 < (images == 255).mean() < 0.2


def test_the_split_follows_its_rule_and_no_library():
    split = read_split("omniglot")
    by_rule = sorted(split, key=lambda name: hashlib.sha256(f"omniglot-split-0/{name}".encode()).hexdigest())
    assert list(split) == by_rule
    assert list(split.values()) == ["train"] * 1100 + ["valid"] * 100 + ["test"] * 423
    assert {name.count("/") for name in split} == {2}
    assert Counter(name.split("/")[0] for name in split) == {"images_background": 964, "images_evaluation": 659}


@pytest.mark.slow
def test_nearest_is_what_pillow_makes_of_the_original_bits():
    for c in embedded_omniglot.open_embedded().classes:
        images = c.read()
        ours = embedded_omniglot.resize_nearest(images)
        for image, resized in zip(images, ours, strict=True):
            original = Image.fromarray(image[..., 0] == 0)  # 1 bit, ink black
            assert original.mode == "1"
            theirs = np.asarray(original.resize((28, 28), Image.Resampling.LANCZOS))
            assert np.array_equal(resized[..., 0] == 0, theirs)


def test_lanczos_is_pillows_image_by_image():
    for c in embedded_omniglot.open_embedded().classes[::40]:
        images = c.read()
        for image, resized in zip(images, embedded_omniglot.resize_lanczos(images), strict=True):
            theirs = Image.fromarray(image[..., 0]).resize((28, 28), Image.Resampling.LANCZOS)
            assert np.array_equal(resized[..., 0], np.asarray(theirs))


def test_bilinear_crop_is_the_middle_of_pillows_image():
    """Which is torchvision's Scale and CenterCrop of a file in RGB, where paper is white."""
    for c in embedded_omniglot.open_embedded().classes[::200]:
        images = c.read()
        for image, cropped in zip(images, embedded_omniglot.resize_bilinear_crop(images), strict=True):
            colour = Image.fromarray(255 - image[..., 0]).convert("RGB")
            theirs = colour.resize((32, 32), Image.Resampling.BILINEAR).crop((2, 2, 30, 30))
            assert np.abs(255 - cropped[..., 0].astype(int) - np.asarray(theirs)[..., 0]).max() <= 1  # by rounding


def test_packing_loses_nothing():
    random = np.random.Generator(np.random.Philox(0))
    characters = {f"c{k}": random.integers(0, 2, (20, 105, 105, 1), np.uint8) * np.uint8(255) for k in range(3)}
    unpacked = embedded_omniglot.unpack(embedded_omniglot.pack(characters))
    assert unpacked.keys() == characters.keys()
    assert all(np.array_equal(embedded_omniglot.drawings(unpacked[name]), characters[name]) for name in characters)


@pytest.mark.full
def test_the_script_makes_the_embedded_file_byte_for_byte(real_omniglot, tmp_path):
    archives = [str(real_omniglot / f"images_{part}.zip") for part in ("evaluation", "background")]
    command = [sys.executable, "-m", "bench.data.pack_omniglot", *archives, "--out", str(tmp_path / "made.xz")]
    subprocess.run(command, cwd=ROOT, check=True)
    assert (tmp_path / "made.xz").read_bytes() == embedded_omniglot.EMBEDDED.read_bytes()


def test_the_script_refuses_a_part(tmp_path, characters, write_png):
    _zip(tmp_path, characters, write_png)
    command = [
        sys.executable,
        "-m",
        "bench.data.pack_omniglot",
        str(tmp_path / "images_background.zip"),
        "--out",
        str(tmp_path / "x"),
    ]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 2 and run.stderr.startswith("error: missing") and run.stderr.count("\n") == 1
    assert not (tmp_path / "x").exists()


@pytest.mark.slow
def test_the_original_archives_are_the_embedded_omniglot(real_omniglot, home):
    manifest = adding.add("omniglot", real_omniglot, home)
    assert manifest["digest"] == sources.OMNIGLOT_DIGEST and not manifest["partial"]
    for resize in ("nearest", "lanczos"):
        added, embedded = store.load("omniglot", home, resize), store.load("omniglot", home / "other", resize)
        assert added.classes == embedded.classes and np.array_equal(added.images, embedded.images)


def _zip(folder, characters, write_png):
    for group in omniglot.GROUPS:
        with zipfile.ZipFile(folder / f"{group}.zip", "w") as archive:
            for name, drawings in characters.items():
                for k, drawing in enumerate(drawings):
                    if name.startswith(group):
                        archive.writestr(f"{name}/0001_{k:02}.png", write_png(drawing))
    return folder


def _folder(folder, characters, write_png):
    for name, drawings in characters.items():
        (folder / name).mkdir(parents=True)
        for k, drawing in enumerate(drawings):
            (folder / name / f"0001_{k:02}.png").write_bytes(write_png(drawing))
    return folder


def _torchmeta(folder, characters, write_png):
    (folder / "omniglot").mkdir()
    with h5py.File(folder / "omniglot" / "data.hdf5", "w") as data:
        for name, drawings in characters.items():
            data.create_dataset(name, data=drawings[..., 0])
    return folder


@pytest.mark.parametrize("write", [_zip, _folder, _torchmeta])
def test_every_form_of_a_copy_is_the_same(tmp_path, home, characters, write_png, write):
    (tmp_path / "copy").mkdir()
    manifest = adding.add("omniglot", write(tmp_path / "copy", characters, write_png), home, partial=True)
    assert manifest["partial"] and sum(manifest["counts"].values()) == 3
    added = store.load("omniglot", home)
    assert added.partial and added.known_as is None and added.digest == manifest["digest"]
    assert {c.name: c.count for c in added.classes} == dict.fromkeys(characters, 20)
    for c in added.classes:
        ours = added.images[c.offset : c.offset + c.count]
        theirs = embedded_omniglot.resize_nearest(characters[c.name])
        assert sorted(map(np.ndarray.tobytes, ours)) == sorted(map(np.ndarray.tobytes, theirs))
    whole = [c for c in embedded_omniglot.open_embedded().classes if c.name in characters]
    assert added.digest == assemble(whole, None, lambda images: None)["digest"]


def test_a_part_is_refused_unless_asked_for(tmp_path, home, characters, write_png, refused):
    line = refused(adding.add, "omniglot", _folder(tmp_path / "copy", characters, write_png), home)
    assert "423 test classes" in line and "no benchmark could run on it" in line and "--partial" not in line
    assert store.load("omniglot", home).digest == sources.OMNIGLOT_DIGEST


def test_another_size_and_grey_are_refused(tmp_path, home, characters, write_png, refused):
    copy = _folder(tmp_path / "copy", characters, write_png)
    file = next(copy.rglob("*.png"))
    Image.new("1", (28, 28)).save(file)
    assert "28x28 pixels, not 105x105" in refused(adding.add, "omniglot", copy, home, partial=True)
    Image.new("L", (105, 105), 100).save(file)
    assert "black and white" in refused(adding.add, "omniglot", copy, home, partial=True)


def test_a_damaged_embedded_file_is_one_line(tmp_path, home, monkeypatch, refused):
    data = embedded_omniglot.EMBEDDED.read_bytes()
    monkeypatch.setattr(embedded_omniglot, "EMBEDDED", tmp_path / "omniglot.xz")
    for broken in (None, data[:1000], data[:-1000], b"\0" * 1000):
        if broken is not None:
            (tmp_path / "omniglot.xz").write_bytes(broken)
        assert "omniglot.xz: missing or damaged" in refused(store.load, "omniglot", home)
