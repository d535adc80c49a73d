"""CIFAR-FS, FC100, tieredImageNet, CUB and Omniglot in the forms used by other people's code, and refused copies."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from bench.data import adding, catalogue, store
from bench.data.images import SourceClass
from bench.data.readers import cifar100, cub, omniglot, tiered_imagenet
from bench.data.splits import check_not_too_many, lost_images, read_split
from tests.data.forms import pack, parquet, put
from tests.data.small import FILES, encoded, python2, tiered_numbers, tiered_words, write_birds, write_tiered


def _add(source, path, home):
    return adding.add(source, path, home, partial=True)


def _pixels(name: str, home: Path) -> dict[str, tuple[str, list[bytes]]]:
    """Class -> its split and its images, sorted, of the added data set."""
    found = store.load(name, home)
    return {
        c.name: (c.split, sorted(i.tobytes() for i in found.images[c.offset : c.offset + c.count]))
        for c in found.classes
    }


def _photograph(random: np.random.Generator) -> np.ndarray:
    """An image, uint8 [32, 32, 3], smooth in each channel and with more red than blue, as in photographs."""
    ramp = np.linspace(0, 60, 32)[:, None] + np.linspace(0, 60, 32)
    return np.stack([ramp + base + random.uniform(0, 20) for base in (120, 60, 10)], -1).astype(np.uint8)


NAMES = list(cifar100.fine_names())


@pytest.fixture(scope="session")
def photographs() -> dict[str, np.ndarray]:
    """Fine name -> images [4, 32, 32, 3], for every fourth class of CIFAR-100."""
    random = np.random.default_rng(3)
    return {name: np.stack([_photograph(random) for _ in range(4)]) for name in NAMES[::4]}


def _split_of(source: str, name: str) -> str:
    return read_split(source.replace("-", "_"))[cifar100.fine_names()[name]]


@pytest.fixture(scope="session")
def digests(photographs, tmp_path_factory) -> dict[str, str]:
    """Source -> digest of the data set in its original form."""
    place = tmp_path_factory.mktemp("cifar")
    _original(photographs, place / "cifar-100-python", lambda images: _planes(images))
    return {s: _add(s, place, place / s)["digest"] for s in ("cifar-fs", "fc100")}


def _planes(images: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)).reshape(len(images), -1)


def _original(photographs, folder, arranged, dumps=python2):
    for file, part in (("train", slice(1, None)), ("test", slice(1))):
        images = np.concatenate([found[part] for found in photographs.values()])
        fine = [NAMES.index(name) for name, found in photographs.items() for _ in found[part]]
        coarse = sorted({full.split("/")[0] for full in cifar100.fine_names().values()})
        listed = [coarse.index(cifar100.fine_names()[NAMES[k]].split("/")[0]) for k in fine]
        put(folder / file, dumps({"data": arranged(images), "fine_labels": fine, "coarse_labels": listed}))
    put(folder / "meta", dumps({"fine_label_names": NAMES, "coarse_label_names": coarse}))


def _bytes_keys(content):
    return pickle.dumps(
        {key.encode(): [n.encode() for n in v] if "names" in key else v for key, v in content.items()}, 4
    )


def _cifar_bytes(photographs, source, out):
    _original(photographs, out / "cifar-100-python", _planes, _bytes_keys)


def _cifar_channels_last(photographs, source, out):
    _original(photographs, out / "cifar-100-python", lambda images: images)


def _cifar_packed(photographs, source, out):
    _original(photographs, out / "cifar-100-python", _planes)
    with tarfile.open(out / "cifar-100-python.tar.gz", "w:gz") as archive:
        archive.add(out / "cifar-100-python", "cifar-100-python")
    for file in (out / "cifar-100-python").iterdir():
        file.unlink()


def _cifar_metaoptnet(photographs, source, out, pattern="CIFAR_FS_{}.pickle"):
    for split, file in FILES.items():
        mine = {name: found for name, found in photographs.items() if _split_of(source, name) == split}
        labels = [NAMES.index(name) for name, found in mine.items() for _ in found]
        put(out / pattern.format(file), python2({"data": np.concatenate(list(mine.values())), "labels": labels}))


def _cifar_zip(photographs, source, out):
    """MetaOptNet's downloads of CIFAR-FS and FC100."""
    _cifar_metaoptnet(photographs, source, out, "FC100_{}.pickle" if source == "fc100" else "CIFAR_FS_{}.pickle")
    pack(out / "pickles.zip", {f"x/{file.name}": file.read_bytes() for file in sorted(out.iterdir())})
    for file in out.glob("*.pickle"):
        file.unlink()


def _cifar_rfs(photographs, source, out):
    _cifar_metaoptnet(photographs, source, out, "CIFAR-FS/{}.pickle")


def _png(image: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, "PNG")
    return out.getvalue()


def _cifar_bertinetto(photographs, source, out):
    for name, found in photographs.items():
        for k, image in enumerate(found):
            put(out / f"cifar100/data/{name}/{name}_s_{k:06}.png", _png(image))


def _cifar_learn2learn(photographs, source, out):
    """The authors' zip, unpacked, and beside it the same images sorted into splits."""
    _cifar_bertinetto(photographs, source, out)
    for name, found in photographs.items():
        for k, image in enumerate(found):
            split = FILES[_split_of(source, name)]
            put(out / f"processed/meta-{split}/{name}/{name}_s_{k:06}.png", _png(image))


def _cifar_parquet(photographs, source, out):
    for file, part in (("train", slice(1, None)), ("test", slice(1))):
        rows = [(_png(i), None, NAMES.index(name)) for name, found in photographs.items() for i in found[part]]
        parquet(out / f"cifar100/{file}-00000-of-00001.parquet", rows, None, "img")


def _cifar_parquet_with_names(photographs, source, out):
    """Numbers of its own, whose names are in the schema: not CIFAR-100's numbers."""
    names = sorted(photographs, reverse=True)
    for file, part in (("train", slice(1, None)), ("test", slice(1))):
        rows = [(_png(i), None, names.index(name)) for name, found in photographs.items() for i in found[part]]
        parquet(out / f"cifar100/{file}/0000.parquet", rows, names)


def _cifar_with_names(photographs, source, out):
    """The form of miniImageNet's pickles: names, and numbers of its own in each file."""
    for split, file in FILES.items():
        mine = {name: found for name, found in photographs.items() if _split_of(source, name) == split}
        labels = [k for k, found in enumerate(mine.values()) for _ in found]
        content = {"data": np.concatenate(list(mine.values())), "labels": labels, "label2catname": list(mine)}
        put(out / f"{file}.pickle", python2(content))


def _cifar_both(photographs, source, out):
    _cifar_metaoptnet(photographs, "cifar-fs", out), _cifar_metaoptnet(photographs, "fc100", out, "FC100_{}.pickle")


def _cifar_halves(photographs, source, out):
    """cifar2png and fast.ai: all classes in `train/`, and other images of all classes in `test/`."""
    for name, found in photographs.items():
        for k, image in enumerate(found):
            put(out / f"cifar100/{'train' if k else 'test'}/x/{name}/{max(k - 1, 0):04}.png", _png(image))


def _cifar_hdf5_file(photographs, source, out):
    with h5py.File(put(out / "data.hdf5", b""), "w") as data:
        for name, found in photographs.items():
            data.create_dataset(name, data=found)


CIFAR = [
    _cifar_bytes, _cifar_channels_last, _cifar_packed, _cifar_metaoptnet, _cifar_zip, _cifar_rfs,
    _cifar_bertinetto, _cifar_learn2learn, _cifar_parquet, _cifar_parquet_with_names, _cifar_with_names, _cifar_both,
    _cifar_halves,
]  # fmt: skip


@pytest.mark.parametrize("source", ["cifar-fs", "fc100"])
@pytest.mark.parametrize("write", CIFAR, ids=lambda write: write.__name__)
def test_cifar_in_every_form(tmp_path, home, photographs, digests, write, source):
    write(photographs, source, tmp_path / "copy")
    assert _add(source, tmp_path / "copy", home)["digest"] == digests[source]


def test_a_single_hdf5_file_of_cifar_is_a_full_copy(tmp_path, home, photographs, digests, refused):
    _cifar_hdf5_file(photographs, "fc100", tmp_path)
    assert _add("fc100", tmp_path / "data.hdf5", home)["digest"] == digests["fc100"]
    line = refused(_add, "omniglot", tmp_path, home)
    assert "this is CIFAR-FS or FC100" in line and "data add fc100" in line


def test_another_data_set_in_parquet_is_not_taken_for_cifar_100(tmp_path, home, photographs, refused):
    rows = [(_png(images[0]), None, k) for k, images in enumerate(photographs.values())]
    parquet(tmp_path / "train.parquet", rows, [f"airplane {k}" for k in range(len(rows))])
    assert "class 'airplane 0' does not belong to this data set" in refused(_add, "cifar-fs", tmp_path, home)


def test_cifar_of_another_split_or_numbered_anew_is_refused(tmp_path, home, photographs, refused):
    _cifar_metaoptnet(photographs, "cifar-fs", tmp_path / "copy")
    line = refused(_add, "fc100", tmp_path / "copy", home)
    assert f"the classes of cifar-fs, in its split: use `python -m bench data add cifar-fs {tmp_path / 'copy'}`" in line
    for file in FILES.values():
        images = np.zeros((4, 32, 32, 3), np.uint8)
        put(tmp_path / f"anew/CIFAR_FS_{file}.pickle", python2({"data": images, "labels": [0, 1, 2, 3]}))
    line = refused(_add, "cifar-fs", tmp_path / "anew", home)
    assert "labels are not the CIFAR-100 numbers" in line and "renumbered" in line and "cifar-100-python" in line


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cifar-10-batches-py/data_batch_1", "files of CIFAR-10, another data set"),
        ("cifar-100-binary/train.bin", "in its binary version: give the one for Python"),
    ],
)
def test_what_is_no_cifar_100_says_what_it_is(tmp_path, home, refused, name, words):
    put(tmp_path / "copy" / name, b"x")
    assert words in refused(_add, "cifar-fs", tmp_path / "copy", home)


def test_cifar_that_lacks_a_file_says_which(tmp_path, home, photographs, refused):
    _original(photographs, tmp_path / "cifar-100-python", _planes)
    for name in ("test", "meta"):
        (tmp_path / "cifar-100-python" / name).rename(tmp_path / name)
        assert f"cifar-100-python: {name} is missing" in refused(_add, "cifar-fs", tmp_path / "cifar-100-python", home)
        (tmp_path / name).rename(tmp_path / "cifar-100-python" / name)


def test_flattened_cifar_with_the_channels_last_is_seen_by_its_pixels(tmp_path, home, photographs, refused):
    _original(photographs, tmp_path / "cifar-100-python", lambda images: images.reshape(len(images), -1))
    assert "with the channels last" in refused(_add, "cifar-fs", tmp_path, home)


def test_tiered_imagenet_in_arrays_turned_to_red_green_blue(tmp_path, home):
    write_tiered(tmp_path / "pickles")
    _add("tiered-imagenet", tmp_path / "pickles", tmp_path / "first")
    for file in FILES.values():
        pngs = pickle.loads((tmp_path / "pickles" / f"{file}_images_png.pkl").read_bytes())
        images = np.stack([np.asarray(Image.open(io.BytesIO(png.tobytes()))) for png in pngs])
        (tmp_path / "npz").mkdir(exist_ok=True)
        np.savez(tmp_path / "npz" / f"{file}_images.npz", images=images[..., ::-1])
        put(tmp_path / "npz" / f"{file}_labels.pkl", (tmp_path / "pickles" / f"{file}_labels.pkl").read_bytes())
    manifest = _add("tiered-imagenet", tmp_path / "npz", home)
    assert _pixels("tiered-imagenet", home) == _pixels("tiered-imagenet", tmp_path / "first")
    assert tiered_imagenet.TURNED in manifest["notes"]


def test_tiered_imagenet_without_names_is_called_by_numbers_and_that_is_said(tmp_path, home):
    write_tiered(tmp_path / "copy")
    for file in FILES.values():
        path = tmp_path / "copy" / f"{file}_labels.pkl"
        path.write_bytes(python2({b"labels": pickle.loads(path.read_bytes())["label_specific"].tolist()}))
    manifest = _add("tiered-imagenet", tmp_path / "copy", home)
    assert {c["name"] for c in manifest["classes"]} >= {"train 000", "valid 000", "test 001"}
    assert tiered_imagenet.UNNAMED in manifest["notes"]


def test_tiered_imagenet_in_lists_of_bytes(tmp_path, home):
    """Python 2 and 3 pickle bytes differently; an image that is neither bytes nor an array is a broken one."""
    write_tiered(tmp_path / "copy")
    digest = _add("tiered-imagenet", tmp_path / "copy", home)["digest"]
    paths = [tmp_path / "copy" / f"{file}_images_png.pkl" for file in FILES.values()]
    images = {path: [png.tobytes() for png in pickle.loads(path.read_bytes())] for path in paths}
    for dumps in (python2, pickle.dumps):
        for path, files in images.items():
            path.write_bytes(dumps(files))
        assert _add("tiered-imagenet", tmp_path / "copy", home)["digest"] == digest
    path.write_bytes(pickle.dumps([None, *images[path][1:]]))
    assert len(_add("tiered-imagenet", tmp_path / "copy", home)["corrupt"]) == 1


def _tiered_folders(out, name):
    random = np.random.default_rng(1)
    for file in FILES.values():
        for k in range(2):
            for i in range(2):
                put(out / name(file, k, i), encoded(random, (84, 84), "PNG"))


def test_tiered_imagenet_in_folders_lists_and_tables(tmp_path, home):
    _tiered_folders(tmp_path / "folders", lambda s, k, i: f"tiered_imagenet/{s}/{tiered_numbers(s)[k]}/{i}.png")
    _tiered_folders(tmp_path / "flat", lambda s, k, i: f"{tiered_numbers(s)[k]}/{i}.png")
    _tiered_folders(tmp_path / "lists", lambda s, k, i: f"images/{tiered_numbers(s)[k]}/{i}.png")
    _tiered_folders(tmp_path / "tables", lambda s, k, i: f"data/{s}_0_{k}_{2 * k + i}.png")
    for s in FILES.values():
        names = tiered_numbers(s)[:2]
        put(tmp_path / f"lists/{s}.json", json.dumps({"class_names": names, "class_roots": names}))
        rows = [f"{s}_0_{k}_{2 * k + i}.png,{k}\n" for k in range(2) for i in range(2)]
        put(tmp_path / f"tables/split/{s}.csv", "".join(rows))
    first, flat, listed, numbered = (
        _add("tiered-imagenet", tmp_path / name, home) for name in ("folders", "flat", "lists", "tables")
    )
    assert first["counts"] == numbered["counts"] == {"train": 2, "valid": 2, "test": 2}
    assert listed["classes"] == first["classes"] == flat["classes"] and flat["digest"] == first["digest"]
    assert numbered["classes"][0]["name"] == "train 000" and tiered_imagenet.UNNAMED in numbered["notes"]


def test_the_608_classes_of_tiered_imagenet_are_recognised(tmp_path, home, refused):
    assert Counter(read_split("tiered_imagenet").values()) == tiered_imagenet.CLASSES
    _tiered_folders(tmp_path / "flat", lambda s, k, i: f"{tiered_numbers(s)[k]}/{i}.png")
    this = "this is tieredImageNet: all 6 classes (n01"
    assert this in (line := refused(_add, "mini-imagenet", tmp_path / "flat", home))
    assert f"data add tiered-imagenet {tmp_path / 'flat'}" in line
    own = catalogue.own("mine", 84, False, None)
    assert this in refused(adding.add_as, "mine", own, tmp_path / "flat", home)
    _tiered_folders(tmp_path / "turned", lambda s, k, i: f"{FILES[TURNED[s]]}/{tiered_numbers(s)[k]}/{i}.png")
    line = refused(_add, "tiered-imagenet", tmp_path / "turned", home)
    assert "the files of test and valid are swapped" in line
    _tiered_folders(tmp_path / "mini", lambda s, k, i: f"{s}/{mini_numbers(s)[k]}/{i}.png")
    assert "this is miniImageNet: all 6 classes" in refused(_add, "tiered-imagenet", tmp_path / "mini", home)


TURNED = {"train": "train", "val": "test", "test": "valid"}


def mini_numbers(file):
    return [name for name, split in read_split("mini_imagenet").items() if FILES[split] == file]


def test_words_are_held_to_tiered_imagenet_as_far_as_they_are_known(tmp_path, home, refused):
    copy = tmp_path / "copy"
    write_tiered(copy)
    path = copy / "train_labels.pkl"
    content = pickle.loads(path.read_bytes())
    path.write_bytes(pickle.dumps(content | {"label_specific_str": ["spelt otherwise", *tiered_words("train")[1:3]]}))
    assert any("spelt otherwise" in note for note in _add("tiered-imagenet", copy, home)["notes"])
    path.write_bytes(pickle.dumps(content | {"label_specific_str": tiered_words("test")[5:8]}))
    assert "is in 'train' but belongs to 'test'" in refused(_add, "tiered-imagenet", copy, home)


def test_what_only_looks_like_tiered_imagenet_is_refused(tmp_path, home, refused):
    """torchmeta's doubleMNIST and tripleMNIST: the same container, but more classes, named by digits."""
    kind = h5py.special_dtype(vlen=np.uint8)
    for first, file in zip((0, 640, 800), FILES.values(), strict=True):
        put(tmp_path / f"{file}_labels.json", json.dumps([f"{first + k:03}" for k in range(2)]))
        with h5py.File(tmp_path / f"{file}_data.hdf5", "w") as data:
            for k in range(2):
                data.create_group("datasets", track_order=False) if "datasets" not in data else None
                data["datasets"].create_dataset(f"{first + k:03}", (2,), dtype=kind)
    assert "are not in tieredImageNet" in refused(_add, "tiered-imagenet", tmp_path, home)


def _classes(counts: dict[str, int], each: int) -> list[SourceClass]:
    return [SourceClass(f"{s} {k}", s, each, lambda: np.empty(0)) for s, n in counts.items() for k in range(n)]


def test_too_many_classes_and_lost_images_are_seen(refused):
    data_set = catalogue.get("tiered-imagenet")
    thin = _classes(tiered_imagenet.CLASSES, 1)
    assert lost_images(thin, data_set.totals)[0] == "448,344 of 448,695 train images"
    more = _classes({"train": 352}, 1)
    line = refused(check_not_too_many, more, data_set.counts, data_set.totals, "copy")
    assert "352 train classes, but the data set has 351" in line and "`folder`" in line


def test_cub_that_has_lost_photographs_is_a_part(tmp_path, home, refused):
    write_birds(tmp_path / "CUB_200_2011")
    line = refused(adding.add, "cub", tmp_path, home)
    assert "has 4 of 41 to 60" in line and "11,752 of 11,788 images" in line


def _bird_tables(folder: Path, turned: dict[str, str]) -> None:
    for split, file in FILES.items():
        here = {path.name for path in folder.rglob("images/*")} | {
            path.name for path in folder.parent.rglob("images/*")
        }
        birds = [b for b, s in read_split("cub").items() if turned.get(s, s) == split and b in here]
        put(folder / f"{file}.csv", "filename,label\n" + "".join(f"{b}/0.jpg,{b}\n" for b in birds))


@pytest.mark.parametrize("folder", ["", "split"])
def test_tables_of_another_split_beside_cub_are_refused_and_its_own_are_not(tmp_path, home, refused, folder):
    copy = tmp_path / "CUB_200_2011"
    write_birds(copy)
    _bird_tables(copy / folder, {})
    assert _add("cub", copy, home)["counts"] == {"train": 3, "valid": 3, "test": 3}
    _bird_tables(copy / folder, {"train": "test", "test": "train"})
    line = refused(_add, "cub", copy, home)
    assert "its classes are split differently" in line and f"data add folder {copy} --name birds" in line
    own = adding.add_as("birds", catalogue.own("birds", 32, False, None), copy, home)
    assert own["counts"] == {"train": 3, "valid": 3, "test": 3} and "another split than" in " ".join(own["notes"])


def test_learn2learns_cub_is_told_from_the_original(tmp_path, home, refused):
    write_birds(tmp_path / "cubirds200" / "CUB_200_2011")
    assert "learn2learn's folder" in refused(_add, "cub", tmp_path, home)
    assert _add("cub", tmp_path / "cubirds200" / "CUB_200_2011", home)["status"] == "added"


def test_cub_in_class_folders_by_split(tmp_path, home, refused):
    write_birds(tmp_path / "CUB_200_2011")
    for name, split in read_split("cub").items():
        for file in (tmp_path / "CUB_200_2011/images" / name).glob("*.jpg"):
            put(tmp_path / "cropped" / FILES[split] / name / file.name, file.read_bytes())
    first = _add("cub", tmp_path / "CUB_200_2011", home)
    again = _add("cub", tmp_path / "cropped", home)
    assert again["digest"] == first["digest"] and cub.NOT_ORIGINAL in again["notes"]
    (tmp_path / "cropped/train").rename(tmp_path / "cropped/x")
    (tmp_path / "cropped/val").rename(tmp_path / "cropped/train")
    (tmp_path / "cropped/x").rename(tmp_path / "cropped/val")
    assert "its classes are split differently" in refused(_add, "cub", tmp_path / "cropped", home)


@pytest.mark.parametrize("form", ["png", "without numbers"])
def test_cub_as_png_or_without_numbers(tmp_path, home, form):
    write_birds(tmp_path / "CUB_200_2011")
    first = _add("cub", tmp_path / "CUB_200_2011", tmp_path / "one")
    for file in (tmp_path / "CUB_200_2011").rglob("*.jpg"):
        name = file.parent.name if form == "png" else file.parent.name.partition(".")[2]
        again = io.BytesIO()
        Image.open(file).save(again, "PNG")
        data = again.getvalue() if form == "png" else file.read_bytes()
        put(tmp_path / "copy" / name / f"{file.stem}{'.png' if form == 'png' else '.jpg'}", data)
    assert _add("cub", tmp_path / "copy", home)["digest"] == first["digest"]


def _drawings(characters, write_png, out, of=lambda name: name, turned=False):
    for name, drawings in characters.items():
        for k, drawing in enumerate(drawings):
            put(out / of(name) / f"0001_{k:02}.png", write_png(255 - drawing if turned else drawing))
    return out


@pytest.mark.parametrize(
    "of",
    [
        lambda name: f"omniglot-py/{name}",  # torchvision, one level above
        lambda name: f"data/{name.partition('/')[2]}",  # without the two groups
        lambda name: name.replace("background", "x").replace("evaluation", "background").replace("x", "evaluation"),
    ],
)
def test_omniglot_one_level_down_and_without_groups(tmp_path, home, characters, write_png, of):
    first = _add("omniglot", _drawings(characters, write_png, tmp_path / "first"), tmp_path / "one")
    again = _add("omniglot", _drawings(characters, write_png, tmp_path / "copy", of), home)
    assert again["digest"] == first["digest"]


def test_other_drawings_beside_the_two_groups_are_not_mixed_in(tmp_path, home, characters, write_png):
    copy = _drawings(characters, write_png, tmp_path / "copy")
    _drawings(characters, write_png, copy, lambda name: name.replace("images_background", "images_background_small1"))
    manifest = _add("omniglot", copy, home)
    assert {c["count"] for c in manifest["classes"]} == {20}
    assert any(note.endswith("in neither group") for note in manifest["notes"])


@pytest.mark.parametrize("form", ["png", "hdf5", "ones"])
def test_omniglot_with_ink_and_paper_exchanged_is_turned_back(tmp_path, home, characters, write_png, form):
    first = _add("omniglot", _drawings(characters, write_png, tmp_path / "first"), tmp_path / "one")
    if form == "png":
        _drawings(characters, write_png, tmp_path / "copy", turned=True)
    else:
        (tmp_path / "copy").mkdir()
        with h5py.File(tmp_path / "copy/data.hdf5", "w") as data:
            for name, drawings in characters.items():
                data.create_dataset(name, data=drawings[..., 0] // 255 if form == "ones" else 255 - drawings[..., 0])
    again = _add("omniglot", tmp_path / "copy", home)
    assert again["digest"] == first["digest"] and (omniglot.TURNED in again["notes"]) == (form != "ones")


def test_omniglot_in_another_size_or_form_needs_not_be_added(tmp_path, home, refused):
    small = encoded(np.random.default_rng(0), (28, 28), "PNG")
    put(tmp_path / "omniglot_resized/Korean/character01/0001_01.png", small)
    assert "28x28 pixels, not 105x105" in (line := refused(_add, "omniglot", tmp_path, home))
    assert "included" in line
    np.save(put(tmp_path / "other/omniglot.npy", b""), np.zeros(1))
    assert "included" in refused(_add, "omniglot", tmp_path / "other", home)
