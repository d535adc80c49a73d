"""torchmeta itself: our reader gives the same images as torchmeta's class data sets, from torchmeta's files."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

from bench.data import adding, store
from bench.data.readers import omniglot
from bench.data.splits import read_split

META = {"train": "meta_train", "valid": "meta_val", "test": "meta_test"}


def _theirs(data_set) -> dict[str, list[bytes]]:
    """Class -> its images, sorted, as returned by torchmeta; a target is (class, augmentation)."""
    found = {}
    for index in range(len(data_set)):
        images = data_set[index]
        pairs = [images[k] for k in range(len(images))]
        found[pairs[0][1][0]] = sorted(np.asarray(image).tobytes() for image, _ in pairs)
    return found


def _ours(image_set, split: str) -> dict[str, list[bytes]]:
    return {
        c.name: sorted(map(np.ndarray.tobytes, image_set.images[c.offset : c.offset + c.count]))
        for c in image_set.split(split)
    }


@pytest.mark.parametrize("split", META)
def test_a_small_miniimagenet_in_torchmetas_format(torchmeta, tmp_path, home, small_copy, split):
    small_copy.write_hdf5(tmp_path)
    adding.add("mini-imagenet", tmp_path, home, partial=True)
    theirs = torchmeta.datasets.miniimagenet.MiniImagenetClassDataset(str(tmp_path), **{META[split]: True})
    found = _theirs(theirs)
    assert len(found) == {"train": 2, "valid": 1, "test": 1}[split]
    assert found == _ours(store.load("mini-imagenet", home), split)


def test_a_task_of_torchmeta_is_made_of_our_images(torchmeta, tmp_path, home, small_copy):
    small_copy.write_hdf5(tmp_path)
    adding.add("mini-imagenet", tmp_path, home, partial=True)
    tasks = torchmeta.datasets.MiniImagenet(str(tmp_path), num_classes_per_task=2, meta_train=True)
    split = torchmeta.transforms.ClassSplitter(tasks, shuffle=True, num_train_per_class=1, num_test_per_class=2)
    ours = {image for images in _ours(store.load("mini-imagenet", home), "train").values() for image in images}
    task = split[(0, 1)]
    loaded = [np.asarray(image).tobytes() for part in task.values() for image, _ in part.__getitems__(range(len(part)))]
    assert len(loaded) == 2 * 3 and set(loaded) <= ours


def test_a_small_omniglot_in_torchmetas_format(torchmeta, tmp_path, home, characters):
    folder = tmp_path / "omniglot"
    folder.mkdir()
    with h5py.File(folder / "data.hdf5", "w") as data:
        for name, drawings in characters.items():
            data.create_dataset(name, data=drawings[..., 0])
    for split, group in (("train", "images_background"), ("test", "images_evaluation")):
        labels = sorted(name.split("/") for name in characters if name.startswith(group))
        (folder / f"{split}_labels.json").write_text(json.dumps(labels))
    theirs: dict[str, list[bytes]] = {}
    for part in ({"meta_train": True}, {"meta_test": True}):
        data_set = torchmeta.datasets.omniglot.OmniglotClassDataset(str(tmp_path), use_vinyals_split=False, **part)
        theirs |= _theirs(data_set)
    assert theirs.keys() == characters.keys()
    source = omniglot.open_source(tmp_path, False)
    assert theirs == {c.name: sorted(map(np.ndarray.tobytes, c.read())) for c in source.classes}
    assert {c.split for c in source.classes} <= set(META) and len(read_split("omniglot")) == 1623


@pytest.mark.full
def test_the_real_miniimagenet_in_torchmetas_format(torchmeta, prepared_mini_imagenet, tmp_path, torchmeta_writer):
    real = store.load("mini-imagenet", prepared_mini_imagenet)
    folder = tmp_path / "miniimagenet"
    folder.mkdir()
    classes = real.split("valid")[:4]
    torchmeta_writer(folder, "val", {c.name: real.images[c.offset : c.offset + c.count] for c in classes})
    adding.add("mini-imagenet", tmp_path, tmp_path / "home", partial=True)
    theirs = _theirs(torchmeta.datasets.miniimagenet.MiniImagenetClassDataset(str(tmp_path), meta_val=True))
    assert len(theirs) == 4 and {len(images) for images in theirs.values()} == {600}
    ours = _ours(store.load("mini-imagenet", tmp_path / "home"), "valid")
    assert theirs == ours == {name: images for name, images in _ours(real, "valid").items() if name in theirs}
