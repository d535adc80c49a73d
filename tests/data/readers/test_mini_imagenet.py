"""miniImageNet in every form in which it circulates, and every defect that a copy can have."""

from __future__ import annotations

import io
import json
import pickle
import random
import time
from collections import Counter

import h5py
import numpy as np
import pytest
from PIL import Image

from bench.data import adding, listing, sources, store
from bench.data.readers import mini_imagenet
from bench.data.splits import read_split
from bench.episodes import golden

FORMS = {
    "folder": lambda copy, path: copy.write_folder(path),
    "tar": lambda copy, path: copy.write_tars(path, ""),
    "tar.gz": lambda copy, path: copy.write_tars(path, "gz"),
    "tar.xz": lambda copy, path: copy.write_tars(path, "xz"),
    "one zip": lambda copy, path: copy.write_zip(path),
    "pickles": lambda copy, path: copy.write_pickles(path),
    "pickles in miniimagenet": lambda copy, path: copy.write_pickles(path / "miniimagenet").parent,
    "hdf5": lambda copy, path: copy.write_hdf5(path),
    "hdf5 itself": lambda copy, path: copy.write_hdf5(path) / "miniimagenet",
}


def _add(path, home):
    return adding.add("mini-imagenet", path, home, partial=True)


def _images(added, name):
    """The images of a class, sorted."""
    c = next(c for c in added.classes if c.name == name)
    return sorted(map(np.ndarray.tobytes, added.images[c.offset : c.offset + c.count]))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_holds_the_same(tmp_path, small_copy, form):
    expected = _add(FORMS["folder"](small_copy, tmp_path / "reference"), tmp_path / "first")
    manifest = _add(FORMS[form](small_copy, tmp_path / "copy"), tmp_path / "second")
    for same in ("digest", "sha256", "classes", "identical", "counts"):
        assert manifest[same] == expected[same]
    added = store.load("mini-imagenet", tmp_path / "second")
    for split in ("train", "valid", "test"):
        for name, images in small_copy.pixels(split).items():
            assert _images(added, name) == sorted(map(np.ndarray.tobytes, images))


def test_repeats_stand_behind_and_are_reported(tmp_path, home, small_copy):
    manifest = _add(small_copy.write_folder(tmp_path / "copy"), home)
    assert manifest["identical"]["kinds"] == {"within a class": 1, "across classes": 1, "across splits": 1}
    first, *others = store.load("mini-imagenet", home).classes
    assert (first.count, first.distinct) == (4, 3) and all(c.count == c.distinct == 4 for c in others)
    images = store.load("mini-imagenet", home).images[:4]
    assert len({image.tobytes() for image in images[:3]}) == 3
    assert "train/n01532829/3" in [place for group in manifest["identical"]["groups"] for place in group]


def test_the_order_of_files_and_rows_decides_nothing(tmp_path, small_copy):
    copy = small_copy.write_folder(tmp_path / "copy")
    one = _add(copy, tmp_path / "one")
    order = random.Random(3).sample(sorted((copy / "images").iterdir()), 16)
    for path in order:  # new entries of the directory, in another order
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data)
    for table in copy.glob("*.csv"):
        head, *rows = table.read_text().splitlines()
        table.write_text("\n".join([head, *rows[::-1]]))
    other = _add(copy, tmp_path / "other")
    assert (one["digest"], one["sha256"]) == (other["digest"], other["sha256"])


def test_a_part_is_refused_unless_asked_for_and_recorded(tmp_path, home, small_copy, refused):
    copy = small_copy.write_folder(tmp_path / "copy")
    line = refused(adding.add, "mini-imagenet", copy, home)
    assert "62 of 64 train classes" in line and "n01532829 has 4 of 600" in line and "--partial" in line
    assert not (home / "mini-imagenet").exists()
    manifest = _add(copy, home)
    assert manifest["partial"] and "19 of 20 test classes" in " ".join(manifest["missing"])
    added = store.load("mini-imagenet", home)
    assert added.partial and added.known_as is None


def test_images_that_a_table_lists_but_are_not_there_are_missing(tmp_path, home, small_copy):
    copy = small_copy.write_folder(tmp_path / "copy")
    (copy / "images" / "n0193011200000002.jpg").unlink()
    (copy / "val.csv").unlink()
    assert _add(copy, home)["counts"] == {"train": 2, "valid": 0, "test": 1}
    assert {c.name: c.count for c in store.load("mini-imagenet", home).classes}["n01930112"] == 3


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"text"])
def test_a_corrupt_image_is_one_line_or_left_out(tmp_path, home, small_copy, refused, damage):
    copy = small_copy.write_folder(tmp_path / "copy")
    file = copy / "images" / "n0193011200000002.jpg"
    file.write_bytes(damage(file.read_bytes()))
    manifest = _add(copy, home)
    (found,) = manifest["corrupt"]
    assert found.startswith(f"images/{file.name} (") and manifest["shape"][0] == 15 and manifest["partial"]
    broken = next(c for c in mini_imagenet.open_source(copy, False).classes if c.name == "n01930112")
    assert f"{file.name}: cannot be decoded" in refused(broken.read)


def _resized(copy, path):
    copy.write_folder(path)
    Image.new("RGB", (64, 84)).save(path / "images" / "n0193011200000002.jpg")


def _small_pickles(copy, path):
    copy.write_pickles(path, lambda cache: pickle.dumps({**cache, "image_data": cache["image_data"][:, :32, :32]}))


def _small_hdf5(copy, path):
    with h5py.File(copy.write_hdf5(path) / "miniimagenet" / "val_data.hdf5", "r+") as data:
        del data["datasets/n01855672"]
        data["datasets"].create_dataset("n01855672", data=np.zeros((4, 84, 84), np.uint8))


def _float_hdf5(copy, path):
    with h5py.File(copy.write_hdf5(path) / "miniimagenet" / "val_data.hdf5", "r+") as data:
        del data["datasets/n01855672"]
        data["datasets"].create_dataset("n01855672", data=np.zeros((4, 84, 84, 3)))


@pytest.mark.parametrize(
    "write, words",
    [
        (_resized, ["n0193011200000002.jpg: 64x84 pixels, not 84x84"]),
        (_small_pickles, ["mini-imagenet-cache-train.pkl", "(8, 32, 32, 3), not uint8 [images, 84, 84, 3]"]),
        (_small_hdf5, ["val_data.hdf5", "n01855672 is uint8 (4, 84, 84), not"]),
        (_float_hdf5, ["n01855672 is float64"]),
    ],
)
def test_another_shape_is_one_line_that_says_so(tmp_path, home, small_copy, refused, write, words):
    write(small_copy, tmp_path / "copy")
    line = refused(_add, tmp_path / "copy", home)
    assert all(word in line for word in words) and not (home / "mini-imagenet").exists()


ONE_FILE_OF = {
    "tar.gz": "part1.tar.gz",
    "tar.xz": "part1.tar.xz",
    "one zip": "all.zip",
    "pickles": "mini-imagenet-cache-val.pkl",
    "hdf5": "miniimagenet/val_data.hdf5",
}


@pytest.mark.parametrize("form, file", ONE_FILE_OF.items())
@pytest.mark.parametrize("left", [0, 100, 0.5, 0.99])
def test_truncated_files_are_one_line(tmp_path, home, small_copy, refused, form, file, left):
    FORMS[form](small_copy, tmp_path / "copy")
    path = tmp_path / "copy" / file
    data = path.read_bytes()
    path.write_bytes(data[: int(left * len(data)) if left < 1 else left])
    line = refused(_add, tmp_path / "copy" if form != "one zip" else path, home)
    assert path.name in line and "damaged" in line


def _with_table(copy, path, file, change):
    copy.write_folder(path)
    table = path / file
    table.write_bytes(change(table.read_bytes()))


@pytest.mark.parametrize(
    "file, change, words",
    [
        ("test.csv", lambda text: text + text.splitlines()[1] + b"\r\n", "is listed twice"),
        ("test.csv", lambda text: text.replace(b"n01930112\r", b"n01855672\r"), "belongs to 'valid'"),
        ("test.csv", lambda text: text.replace(b"n01930112\r", b"n99999999\r"), "n99999999"),
        ("test.csv", lambda text: text.replace(b"filename,label", b"picture,kind"), "columns filename,label"),
        ("test.csv", lambda text: text + b"\xff\xfe", "columns filename,label"),
        ("test.csv", lambda text: text + b"alone.jpg\r\n", "a row is too short"),
    ],
)
def test_wrong_tables_are_one_line(tmp_path, home, small_copy, refused, file, change, words):
    _with_table(small_copy, tmp_path / "copy", file, change)
    assert words in refused(_add, tmp_path / "copy", home)


@pytest.mark.parametrize("indices", [[0, 1, 99], [-1], [0.5], "0", [[0]], None])
def test_wrong_indices_are_one_line(tmp_path, home, small_copy, refused, indices):
    copy = small_copy.write_pickles(
        tmp_path / "copy", lambda c: pickle.dumps({**c, "class_dict": dict.fromkeys(c["class_dict"], indices)})
    )
    assert "mini-imagenet-cache-train.pkl" in refused(_add, copy, home)


@pytest.mark.parametrize(
    "content",
    [
        [],
        {"data": 1},
        {"image_data": 1, "class_dict": {}},
        {"image_data": np.zeros((1, 84, 84, 3), np.uint8), "class_dict": []},
    ],
)
def test_other_pickles_are_one_line(tmp_path, home, small_copy, refused, content):
    copy = small_copy.write_pickles(tmp_path / "copy", lambda cache: pickle.dumps(content))
    assert "mini-imagenet-cache-train.pkl" in refused(_add, copy, home)


def test_wrong_labels_are_one_line(tmp_path, home, small_copy, refused):
    labels = small_copy.write_hdf5(tmp_path / "copy") / "miniimagenet" / "val_labels.json"
    for text in ("{", "5", "[[1]]"):
        labels.write_text(text)
        assert "val_labels.json" in refused(_add, tmp_path / "copy", home)
    labels.unlink()  # the classes' names stand in the HDF5 file too
    assert _add(tmp_path / "copy", home)["counts"] == {"train": 2, "valid": 1, "test": 1}


def test_a_class_that_torchmeta_lists_but_does_not_hold_is_missing(tmp_path, home, small_copy, refused):
    labels = small_copy.write_hdf5(tmp_path / "copy") / "miniimagenet" / "val_labels.json"
    labels.write_text(json.dumps([]))
    assert _add(tmp_path / "copy", home)["counts"]["valid"] == 0


def test_too_many_images_are_refused_even_in_a_part(tmp_path, home, refused):
    images = np.zeros((601, 84, 84, 3), np.uint8)
    (tmp_path / "mini-imagenet-cache-test.pkl").write_bytes(
        pickle.dumps({"image_data": images, "class_dict": {"n01930112": list(range(601))}})
    )
    assert "601 images, not 600" in refused(_add, tmp_path, home)


def test_what_is_none_of_it_is_told_what_is_accepted(tmp_path, home, refused):
    assert "no such file" in refused(_add, tmp_path / "nowhere", home)
    line = refused(_add, tmp_path, home)
    assert "no miniImageNet in it" in line and "mini-imagenet-cache" in line and "torchmeta" in line
    (tmp_path / "notes.txt").write_text("x")
    assert "no miniImageNet in it" in refused(_add, tmp_path / "notes.txt", home)


def test_black_and_white_jpegs_become_rgb(tmp_path, home, small_copy):
    copy = small_copy.write_folder(tmp_path / "copy")
    out = io.BytesIO()
    Image.new("L", (84, 84), 7).save(out, "JPEG")
    (copy / "images" / "n0193011200000002.jpg").write_bytes(out.getvalue())
    _add(copy, home)
    assert bytes([7]) * 84 * 84 * 3 in _images(store.load("mini-imagenet", home), "n01930112")


def test_the_committed_split_is_64_16_20():
    split = read_split("mini_imagenet")
    assert Counter(split.values()) == {"train": 64, "valid": 16, "test": 20} and len(split) == 100


@pytest.mark.slow
def test_the_real_miniimagenet(prepared_mini_imagenet):
    manifest = json.loads((prepared_mini_imagenet / "mini-imagenet" / "manifest.json").read_text())
    assert manifest["shape"] == [60_000, 84, 84, 3] and not manifest["partial"]
    assert {c["count"] for c in manifest["classes"]} == {mini_imagenet.PER_CLASS}
    assert manifest["identical"]["kinds"] == {"within a class": 1, "across classes": 1, "across splits": 6}
    across = [group for group in manifest["identical"]["groups"] if len({place.split("/")[0] for place in group}) > 1]
    assert all({place.split("/")[0] for place in group} == {"train", "valid"} for group in across)
    start = time.perf_counter()
    added = store.load("mini-imagenet", prepared_mini_imagenet)
    assert time.perf_counter() - start < 2
    assert added.digest == sources.MINI_IMAGENET_DIGEST and "8 byte-identical pairs" in added.known_as
    assert sum(c.count - c.distinct for c in added.classes) == 1
    assert all(check["ok"] for check in listing.verify(prepared_mini_imagenet))
    assert added.classes == golden.layout("mini-imagenet", None)
    assert all(row["ok"] and row["complete"] for row in golden.verify(prepared_mini_imagenet))  # its episodes
