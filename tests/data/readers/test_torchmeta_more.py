"""CIFAR-FS, FC100, tieredImageNet and CUB: torchmeta's own code converts small copies of the original formats; we read
the originals and the converted files, and compare both with what torchmeta returns."""

from __future__ import annotations

import json
import pickle
import shutil
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.data import adding, store
from bench.data.readers import cifar100, cub, image_files, tiered_imagenet
from bench.data.splits import read_split
from tests.data.readers.test_torchmeta import META, _ours
from tests.data.small import FEW, python2, write_birds, write_cifar, write_tiered


@pytest.fixture(scope="session")
def cifar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cifar(tmp_path_factory.mktemp("cifar") / "cifar-100-python")


def _let_torchmeta_make(data_set: Any, root: Path, monkeypatch: pytest.MonkeyPatch, module: Any) -> Any:
    """torchmeta's own processing of the original files, which lie there already instead of on a server."""
    for name in ("download_url", "download_file_from_google_drive", "check_integrity"):
        if hasattr(module, name):
            monkeypatch.setattr(module, name, lambda *_, **__: True)
    return data_set(str(root), meta_train=True, download=True)


@pytest.mark.parametrize(("source", "kind"), [("cifar-fs", "CIFARFS"), ("fc100", "FC100")])
def test_cifar_in_torchmetas_format(torchmeta, cifar, tmp_path, home, monkeypatch, source, kind):
    root = tmp_path / "cifar100"
    shutil.copytree(cifar, root / "cifar-100-python")
    with tarfile.open(root / "cifar-100-python.tar.gz", "w:gz") as archive:
        archive.add(root / "cifar-100-python", "cifar-100-python")
    base = torchmeta.datasets.cifar100.base
    theirs = getattr(torchmeta.datasets.cifar100, {"CIFARFS": "cifar_fs", "FC100": "fc100"}[kind])
    made = getattr(theirs, f"{kind}ClassDataset")
    _let_torchmeta_make(made, tmp_path, monkeypatch, base)
    manifest = adding.add(source, tmp_path, home, partial=True)
    assert manifest["missing"] == [f"images of 100 classes ({_first_three(source)}, ...)"]
    images = store.load(source, home)
    assert images.images.shape == (100 * FEW, 32, 32, 3)
    for split, meta in META.items():
        found = _theirs_by_both_names(made(str(tmp_path), **{meta: True}))
        assert found == _ours(images, split)
    kept = adding.add(source, cifar, home, partial=True)  # the original files hold the same
    assert kept["status"] == "kept" and Counter(c["split"] for c in kept["classes"]) == Counter(
        read_split(source.replace("-", "_")).values()
    )


def _first_three(source: str) -> str:
    names = [name for name in sorted(read_split(source.replace("-", "_")))[:3]]
    return ", ".join(f"{name} has {FEW} of {cifar100.PER_CLASS}" for name in names)


def _theirs_by_both_names(data_set: Any) -> dict[str, list[bytes]]:
    """Class -> its images, sorted; a target is ((superclass, class), augmentation)."""
    found = {}
    for index in range(len(data_set)):
        images = data_set[index]
        name = f"{images.coarse_label_name}/{images.fine_label_name}"
        found[name] = sorted(np.asarray(images[k][0]).tobytes() for k in range(len(images)))
    return found


def test_tiered_imagenet_in_torchmetas_format(torchmeta, tmp_path, home, monkeypatch, refused):
    root = tmp_path / "tieredimagenet"
    originals = tmp_path / "originals"
    write_tiered(originals)
    shutil.copytree(originals, root / "tiered-imagenet")
    with tarfile.open(root / "tiered-imagenet.tar", "w") as archive:
        archive.add(root / "tiered-imagenet", "tiered-imagenet")
    module = torchmeta.datasets.tieredimagenet
    _let_torchmeta_make(module.TieredImagenetClassDataset, tmp_path, monkeypatch, module)
    assert "missing 348 of 351 train classes and 96 of 97 valid classes" in refused(
        adding.add, "tiered-imagenet", tmp_path, home
    )
    adding.add("tiered-imagenet", tmp_path, home, partial=True)
    images = store.load("tiered-imagenet", home)
    for split, meta in META.items():
        theirs = module.TieredImagenetClassDataset(str(tmp_path), **{meta: True})
        found = {}
        for index in range(len(theirs)):
            part = theirs[index]
            found[part.specific_class_name] = sorted(
                np.asarray(part[k][0].convert("RGB")).tobytes() for k in range(len(part))
            )
        assert found == _ours(images, split)
    assert adding.add("tiered-imagenet", originals, home, partial=True)["status"] == "kept"


def test_cub_in_torchmetas_format(torchmeta, tmp_path, home, monkeypatch, refused):
    original = tmp_path / "CUB_200_2011"
    write_birds(original)
    root = tmp_path / "cub"
    root.mkdir()
    with tarfile.open(root / "CUB_200_2011.tgz", "w:gz") as archive:
        archive.add(original, "CUB_200_2011")
    packed = adding.add("cub", root / "CUB_200_2011.tgz", home, partial=True)
    module = torchmeta.datasets.cub
    _let_torchmeta_make(module.CUBClassDataset, tmp_path, monkeypatch, module)
    assert "missing 97 of 100 train classes" in refused(adding.add, "cub", root, home)
    assert adding.add("cub", root, home, partial=True)["status"] == "kept"  # out of torchmeta's HDF5
    assert adding.add("cub", tmp_path / "CUB_200_2011", home, partial=True)["digest"] == packed["digest"]
    images = store.load("cub", home)
    for split, meta in META.items():
        theirs = module.CUBClassDataset(
            str(tmp_path), transform=lambda image: image_files.square(image, 84), **{meta: True}
        )
        found = {name: found for name, found in _theirs_of_birds(theirs).items() if found}
        assert len(found) == 3 and found == _ours(images, split)


def _theirs_of_birds(data_set: Any) -> dict[str, list[bytes]]:
    return {
        data_set[index].label: sorted(np.asarray(data_set[index][k][0]).tobytes() for k in range(len(data_set[index])))
        for index in range(len(data_set))
    }


@pytest.mark.parametrize("source", ["cifar-fs", "fc100", "tiered-imagenet", "cub"])
def test_nothing_there_says_what_to_give(tmp_path, home, refused, source):
    line = refused(adding.add, source, tmp_path, home)
    assert str(tmp_path) in line and "torchmeta" in line


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("train", {"data": np.zeros((2, 3072), np.uint8), "fine_labels": [0], "coarse_labels": [0]}, "as many labels"),
        ("train", {"data": np.zeros((1, 9), np.uint8), "fine_labels": [0], "coarse_labels": [0]}, "cifar-100-python"),
        ("train", {"data": np.zeros((1, 3072), np.uint8), "fine_labels": [100], "coarse_labels": [0]}, "below 100"),
        ("test", ["no dictionary"], "cifar-100-python"),
        ("meta", {"fine_label_names": ["a"], "coarse_label_names": ["b"]}, "20 superclasses"),
        ("meta", {"fine_label_names": 7}, "cifar-100-python"),
    ],
)
def test_damaged_cifar_files_are_one_line(cifar, tmp_path, home, refused, file, content, words):
    copy = shutil.copytree(cifar, tmp_path / "copy")
    (copy / file).write_bytes(python2(content))
    line = refused(adding.add, "fc100", copy, home, partial=True)
    assert words in line and str(copy / file) in line


def test_nothing_that_a_pickle_carries_is_run(cifar, tmp_path, home, refused):
    class Hostile:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "run",))

    copy = shutil.copytree(cifar, tmp_path / "copy")
    (copy / "train").write_bytes(pickle.dumps({"data": Hostile()}, 2))
    assert "refused" in refused(adding.add, "cifar-fs", copy, home)
    write_tiered(tmp_path / "tiered")
    (tmp_path / "tiered" / "train_images_png.pkl").write_bytes(pickle.dumps([Hostile()], 2))
    assert "refused" in refused(adding.add, "tiered-imagenet", tmp_path / "tiered", home)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"label_specific": np.array([5]), "label_specific_str": ["a"]}, "labels without a name"),
        ({"label_specific": np.array([0]), "label_specific_str": ["a"]}, "as many images"),
        ({}, "not the labels of tieredImageNet"),
    ],
)
def test_damaged_labels_of_tiered_imagenet_are_one_line(tmp_path, home, refused, content, words):
    write_tiered(tmp_path / "copy")
    (tmp_path / "copy" / "val_labels.pkl").write_bytes(pickle.dumps(content, 2))
    assert words in refused(adding.add, "tiered-imagenet", tmp_path / "copy", home, partial=True)


def test_a_broken_bird_is_named_and_left_out_on_demand(tmp_path, home, refused):
    write_birds(tmp_path / "CUB_200_2011")
    name = next(iter(read_split("cub")))
    (tmp_path / "CUB_200_2011" / "images" / name / "0.jpg").write_bytes(b"no image")
    found = cub.open_source(tmp_path, False)
    assert f"{name}/0.jpg: cannot be decoded" in refused(next(c for c in found.classes if c.name == name).read)
    assert len(adding.add("cub", tmp_path, home, partial=True)["corrupt"]) == 1


def test_the_splits_are_torchmetas(torchmeta):
    get = torchmeta.datasets.utils.get_asset
    for file, split in (("train", "train"), ("val", "valid"), ("test", "test")):
        assert set(get("cub", f"{file}.json")) == {n for n, owner in read_split("cub").items() if owner == split}
        pairs = get("cifar100", "cifar-fs", f"{file}.json")
        assert {"/".join(pair) for pair in pairs} == {n for n, s in read_split("cifar_fs").items() if s == split}
        whole = {name.split("/")[0] for name, owner in read_split("fc100").items() if owner == split}
        assert whole == set(get("cifar100", "fc100", f"{file}.json"))
    assert tiered_imagenet.CLASSES == {"train": 351, "valid": 97, "test": 160} and json.dumps(META)
