"""A user's own images in common layouts: deeper folders, other names of splits, tables, masks."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from bench.data import adding, catalogue, store
from tests.data import forms
from tests.data.forms import put

CLASSES = [f"kind{k:02}" for k in range(6)]
SPLIT = dict(zip(CLASSES, ("train", "train", "train", "valid", "valid", "test"), strict=True))
FILES = {"train": "train", "valid": "val", "test": "test"}


def _image(seed: int, size: tuple[int, int] = (24, 24), kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


IMAGES = {(c, i): _image(10 * k + i) for k, c in enumerate(CLASSES) for i in range(3)}


def _write(out: Path, of) -> Path:
    for (c, i), data in IMAGES.items():
        put(out / of(SPLIT[c], c, i), data)
    return out


def _add(path, home, side=24, seed=None, levels=None, grey=False, name="mine"):
    return adding.add_as(name, catalogue.own(name, side, grey, seed, levels), path, home)


def _splits(manifest):
    return {c["name"]: c["split"] for c in manifest["classes"]}


@pytest.fixture
def digest(tmp_path):
    """The digest of the images in train/, val/ and test/."""
    path = _write(tmp_path / "reference", lambda s, c, i: f"{FILES[s]}/{c}/{i}.png")
    return _add(path, tmp_path / "reference home")["digest"]


def _csv(out, of, header, rows_of):
    for split, file in FILES.items():
        rows = [f"{rows_of(c, i)}\n" for c, i in IMAGES if SPLIT[c] == split]
        put(out / of(file), header + "".join(rows))


def libfewshot(out):
    """The form of StanfordDog and StanfordCar: images/<class>/ and {train,val,test}.csv."""
    _write(out, lambda s, c, i: f"images/{c}/{i}.png")
    _csv(out, lambda f: f"{f}.csv", "filename,label\n", lambda c, i: f"{c}/{i}.png,{c}")


def hugging_face(out):
    """Images directly in the folders of the splits, with a metadata.csv in each."""
    names = {"train": "train", "valid": "validation", "test": "test"}
    _write(out, lambda s, c, i: f"{names[s]}/{c}_{i}.png")
    for split, file in names.items():
        rows = [f"{c}_{i}.png,{c}\n" for c, i in IMAGES if SPLIT[c] == split]
        put(out / file / "metadata.csv", "file_name,label\n" + "".join(rows))


def closerlook(out):
    _write(out, lambda s, c, i: f"images/{c}/{i}.png")
    for split, file in forms.NOVEL.items():
        mine = [(f"/data/{c}/{i}.png", CLASSES.index(c)) for c, i in IMAGES if SPLIT[c] == split]
        listed = {"label_names": CLASSES, "image_names": [p for p, _ in mine], "image_labels": [k for _, k in mine]}
        put(out / f"{file}.json", json.dumps(listed))


def easyfsl(out):
    _write(out, lambda s, c, i: f"images/{c}/{i}.png")
    for split, file in FILES.items():
        names = [c for c in CLASSES if SPLIT[c] == split]
        put(out / f"{file}.json", json.dumps({"class_names": names, "class_roots": [f"./data/{c}" for c in names]}))


def split_column(out):
    """One table with a column for the split, as on Kaggle."""
    _write(out, lambda s, c, i: f"images/{c}_{i}.png")
    rows = "".join(f"{c}_{i}.png;{c};{FILES[SPLIT[c]]}\n" for c, i in IMAGES)
    put(out / "labels.csv", "\ufefffilename;label;split\n" + rows)


def lists_of_classes(out):
    _write(out, lambda s, c, i: f"images/{c}/{i}.png")
    for split, file in FILES.items():
        put(out / f"splits/{file}.txt", "".join(f"{c}\n" for c in CLASSES if SPLIT[c] == split))


def one_list(out):
    _write(out, lambda s, c, i: f"images/{c}/{i}.png")
    put(out / "split.json", json.dumps({file: [c for c in CLASSES if SPLIT[c] == s] for s, file in FILES.items()}))


def below_images(out):
    """Tiny ImageNet's form: <class>/images/."""
    _write(out, lambda s, c, i: f"{FILES[s]}/{c}/images/{i}.png")


OWN = (libfewshot, hugging_face, closerlook, easyfsl, split_column, lists_of_classes, one_list, below_images)
WRITERS = {
    "meta": lambda out: _write(out, lambda s, c, i: f"meta-{FILES[s]}/{c}/{i}.png"),
    "named": lambda out: _write(out, lambda s, c, i: f"flowers_{FILES[s]}/{c}/{i}.png"),
    "base": lambda out: _write(out, lambda s, c, i: f"{forms.NOVEL[s]}/{c}/{i}.png"),
    "one folder down": lambda out: _write(out, lambda s, c, i: f"data/set/{FILES[s]}/{c}/{i}.png"),
    **{write.__name__: write for write in OWN},
}


@pytest.mark.parametrize("form", WRITERS)
def test_a_split_in_any_words_is_the_split(tmp_path, home, digest, form):
    WRITERS[form](tmp_path / "copy")
    manifest = _add(tmp_path / "copy", home)
    assert _splits(manifest) == SPLIT and manifest["digest"] == digest


def test_folders_in_folders_are_no_classes_unless_that_is_said(tmp_path, home, refused):
    path = _write(tmp_path / "copy", lambda s, c, i: f"group{c[-1]}/{c}a/{i}.png")
    _write(path, lambda s, c, i: f"group{c[-1]}/{c}b/{i}.png")
    line = refused(_add, path, home)
    assert "group0 holds folders (kind00a, kind00b) but no images" in line and "--levels 2" in line
    assert set(_splits(_add(path, home, levels=2))) == {f"group{c[-1]}/{c}{x}" for c in CLASSES for x in "ab"}


def test_levels_below_splits(tmp_path, home, refused):
    path = _write(tmp_path / "copy", lambda s, c, i: f"{FILES[s]}/group{i % 2}{c[-1]}/{c}{i % 2}/{i}.png")
    assert "--levels 2" in refused(_add, path, home)
    found = _splits(_add(path, home, levels=2))
    assert len(found) == 12 and found["group03/kind030"] == "valid"


def test_two_parts_or_a_split_without_classes_say_what_lacks(tmp_path, home, refused):
    halves = {"train": "images_background", "valid": "images_background", "test": "images_evaluation"}
    two = _write(tmp_path / "two", lambda s, c, i: f"{halves[s]}/{c}/{i}.png")
    line = refused(_add, two, home)
    assert "two parts, and none for validation" in line and "images_background, images_evaluation" in line
    tiny = _write(
        tmp_path / "tiny",
        lambda s, c, i: f"train/{c}/images/{i}.png" if s == "train" else f"{FILES[s]}/images/{c}{i}.png",
    )
    assert "only images/" in (line := refused(_add, tiny, home)) and "of train/, give that folder" in line
    flat = _write(tmp_path / "flat", lambda s, c, i: f"{FILES[s]}/{c}{i}.png")
    assert "18 images" not in (line := refused(_add, flat, home)) and "no class folders" in line


def test_parts_of_the_training_images_beside_splits_are_not_guessed(tmp_path, home, refused):
    path = _write(
        tmp_path / "copy", lambda s, c, i: f"{f'train_{FILES[s]}' if s != 'train' else 'train_train'}/{c}/{i}.png"
    )
    put(path / "val/x/1.png", _image(1))
    put(path / "test/y/1.png", _image(2))
    assert "parts of the training classes' images" in refused(_add, path, home)


LABELS = {
    "labels.csv": ("id,breed\n", "{c}_{i},{c}\n"),
    "train.csv": ("image,label\n", "{c}_{i}.png,{c}\n"),
    "labels.tsv": ("file\tclass\n", "{c}_{i}.png\t{c}\n"),
    "metadata.jsonl": ("", '{{"file_name": "{c}_{i}.png", "label": "{c}"}}\n'),
}


@pytest.mark.parametrize("name", LABELS)
def test_one_table_says_the_classes(tmp_path, home, refused, name):
    header, row = LABELS[name]
    path = _write(tmp_path / "copy", lambda s, c, i: f"train/{c}_{i}.png")
    assert "18 images but no class folders" in refused(_add, path, home)
    put(path / "train" / name, header + "".join(row.format(c=c, i=i) for c, i in IMAGES))
    manifest = _add(path, home)
    assert _splits(manifest).keys() == set(CLASSES) and f"train/{name}, split by seed 0" in manifest["source"]["kind"]


def test_tables_that_say_no_split_or_no_classes(tmp_path, home, refused):
    path = _write(tmp_path / "copy", lambda s, c, i: f"images/{c}_{i}.png")
    files = ("train", "val", "test")
    put(path / "labels.csv", "filename,label,split\n" + "".join(f"{c}_{i}.png,{c},{files[i]}\n" for c, i in IMAGES))
    assert any("are splits of images, not of classes" in note for note in _add(path, home)["notes"])
    put(path / "labels.csv", "filename,url\n" + "".join(f"{c}_{i}.png,{c}{i}\n" for c, i in IMAGES))
    assert "no two of its images have the same class" in refused(_add, path, home)
    put(path / "labels.csv", "nothing\n")
    assert "all images are in one folder" in (line := refused(_add, path, home)) and "labels.csv" in line


def test_folders_below_a_class_and_tables_of_images_are_noted(tmp_path, home):
    path = _write(tmp_path / "copy", lambda s, c, i: f"{c}/{'thumbs/' * (i == 2)}{i}.png")
    put(path / "train.txt", "".join(f"{c}/{i}.png\n" for c, i in IMAGES))
    notes = _add(path, home)["notes"]
    assert any(note.startswith("included: 6 images in folders below those of their classes") for note in notes)
    assert "not read: train.txt" in notes


def test_what_stands_beside_splits_and_what_lacks_says_the_step(tmp_path, home, refused):
    names = {"train": "train", "valid": "dev", "test": "test"}
    dev = _write(tmp_path / "dev", lambda s, c, i: f"{names[s]}/{c}/{i}.png")
    assert "rename it to valid/ if" in refused(_add, dev, home)
    both = _write(tmp_path / "both", lambda s, c, i: f"{'test' if s == 'test' else 'trainval'}/{c}/{i}.png")
    assert "trainval names two splits" in refused(_add, both, home)
    one = _write(tmp_path / "one", lambda s, c, i: f"train/{c}/{i}.png")
    assert f"to split its classes, give {one / 'train'}" in refused(_add, one, home)
    deep = io.BytesIO()
    Image.fromarray(np.full((9, 9), 9000, np.uint16)).save(deep, "PNG")
    for c in CLASSES:
        put(tmp_path / "deep" / c / "1.png", deep.getvalue())
    assert "no image can be decoded (kind0" in refused(_add, tmp_path / "deep", home)


@pytest.mark.parametrize("of", ["{c}/{i}.mask.png", "{c}/masks/{i}.png", "{c}/{i}_mask.png", "masks/{c}/{i}.png"])
def test_masks_are_no_images(tmp_path, home, of):
    for (c, i), _ in IMAGES.items():
        put(
            tmp_path / "copy" / ("images" if of.startswith("masks") else "") / c / f"{i}.jpg",
            _image(i + 7, kind="JPEG"),
        )
        put(tmp_path / "copy" / of.replace(".mask", "").format(c=c, i=i), _image(0))
    manifest = _add(tmp_path / "copy", home)
    assert manifest["shape"][0] == 18 and any("18 files that look like masks" in note for note in manifest["notes"])


def _photographs(out, of):
    for (c, i), _ in IMAGES.items():
        put(out / of(c, i), _image(CLASSES.index(c) * 10 + i, (60, 50), "JPEG"))
    return out


def test_meta_album(tmp_path, home):
    path = _photographs(tmp_path / "BRD_Mini", lambda c, i: f"images/{c}_{i}.jpg")
    rows = "".join(f"{c}_{i}.jpg,{c},bird\n" for c, i in IMAGES)
    put(path / "labels.csv", "FILE_NAME,CATEGORY,SUPER_CATEGORY\n" + rows)
    put(path / "info.json", "{}")
    manifest = _add(path, home)
    assert set(_splits(manifest)) == set(CLASSES) and "labels.csv, split by seed 0" in manifest["source"]["kind"]


def test_flowers(tmp_path, home, refused):
    number = {key: k for k, key in enumerate(IMAGES, 1)}
    path = _photographs(tmp_path / "vgg_flower102", lambda c, i: f"jpg/image_{number[c, i]:05}.jpg")
    savemat(path / "imagelabels.mat", {"labels": np.array([[1 + (k - 1) // 3 for k in number.values()]], "u1")})
    savemat(path / "setid.mat", {"trnid": np.array([[1]])})
    manifest = _add(path, home)
    assert set(_splits(manifest)) == {f"class {k:03}" for k in range(1, 7)}
    assert {c["count"] for c in manifest["classes"]} == {3} and "not read: setid.mat" in manifest["notes"]
    put(path / "imagelabels.mat", b"MATLAB 5.0 but not really")
    assert "imagelabels.mat: not VGG Flower's table" in refused(_add, path, home)


def test_aircraft_without_the_banner(tmp_path, home):
    number = {key: f"10{k:05}" for k, key in enumerate(IMAGES)}
    path = _photographs(tmp_path / "data", lambda c, i: f"images/{number[c, i]}.jpg")
    for part, split in enumerate(("train", "val", "test")):
        rows = "".join(f"{number[c, i]} {c} 320\n" for c, i in IMAGES if i == part)
        put(path / f"images_variant_{split}.txt", rows)
    manifest = _add(path, home, side=40)
    assert set(_splits(manifest)) == {f"{c} 320" for c in CLASSES} and any(
        "split images" in n for n in manifest["notes"]
    )
    found = store.load("mine", home)
    first = next(c for c in found.classes if c.name == "kind00 320")
    whole = Image.open(path / "images" / f"{number['kind00', 0]}.jpg")  # 50 wide, 60 high: 40 above the banner
    middle = np.asarray(whole.crop((5, 0, 45, 40)))
    stored = found.images[first.offset : first.offset + 3].astype(int)
    assert np.abs(stored - middle).max((1, 2, 3)).min() <= 1


def test_dogs_with_annotations_and_lists_beside(tmp_path, home):
    path = _photographs(tmp_path / "dogs", lambda c, i: f"Images/{c}/{i}.jpg")
    for c, i in IMAGES:
        put(path / "Annotation" / c / str(i), "<annotation/>")
    put(path / "lists/train_list.mat", b"MATLAB")
    manifest = _add(path, home)
    assert set(_splits(manifest)) == set(CLASSES) and "not read: lists/train_list.mat" in manifest["notes"]


def test_a_table_of_images_that_are_not_there_says_both(tmp_path, home, refused):
    path = _write(tmp_path / "copy", lambda s, c, i: f"images/{c}{i}.png")
    put(path / "labels.csv", "FILE_NAME,CATEGORY\nelse.png,a\n")
    assert "lists 1 image (first else.png), but none is there" in refused(_add, path, home)


def test_known_data_sets_are_recognised_by_the_names_of_their_classes(tmp_path, home, small_copy, refused):
    forms.all_in_one(small_copy, tmp_path / "flat")
    line = refused(_add, tmp_path / "flat", home)
    assert (
        "this is miniImageNet: all 4 classes (n01532829" in line
        and f"data add mini-imagenet {tmp_path / 'flat'}" in line
    )
    notes = " ".join(_add(tmp_path / "flat", home, seed=0)["notes"])  # who asks for it, gets it, and it stays said
    assert "this is miniImageNet" in notes and "another split than the published one" in notes
    forms.meta_folders(small_copy, tmp_path / "split")
    assert "in its own split: `python -m bench data add mini-imagenet" in refused(
        _add, tmp_path / "split", home, side=84
    )
    assert "in its own split: no published number" in " ".join(_add(tmp_path / "split", home, side=32)["notes"])
    for k, name in enumerate(("Korean", "Greek", "Tifinagh")):
        put(tmp_path / "alphabets" / name / "character01/1.png", _image(k))
    assert "it is included in this project" in refused(_add, tmp_path / "alphabets", home, levels=2)


@pytest.mark.parametrize(
    "name, words",
    [
        ("records/0.tfrecords", "export their images"),
        ("a.tar", "unpack a.tar first"),
        ("x.npz", "1 .npz (x.npz)"),
    ],
)
def test_where_there_are_no_images_it_says_what_there_is(tmp_path, home, refused, name, words):
    put(tmp_path / "copy" / name, b"x")
    line = refused(_add, tmp_path / "copy", home)
    assert "no image in it" in line and words in line and name.rpartition("/")[2] in line
