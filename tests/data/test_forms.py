"""miniImageNet in the forms in which it circulates, all with the same digest; and copies that cannot be read."""

from __future__ import annotations

import io
import pickle
import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from bench.data import adding, store
from bench.data.images import ImageClass, ImageSet
from bench.data.readers.probes import check_photographs
from tests.data import forms
from tests.data.forms import FILES, each, images, pack, put


def _add(path, home):
    return adding.add("mini-imagenet", path, home, partial=True)


@pytest.fixture(scope="session")
def digest(small_copy, tmp_path_factory):
    copy = small_copy.write_folder(tmp_path_factory.mktemp("reference") / "copy")
    return _add(copy, copy.parent / "home")["digest"]


@pytest.mark.parametrize("write", forms.MINI_IMAGENET, ids=lambda write: write.__name__)
def test_every_form_has_the_one_digest(tmp_path, home, small_copy, digest, write):
    write(small_copy, tmp_path / "copy")
    assert _add(tmp_path / "copy", home)["digest"] == digest


def test_what_is_left_out_or_not_read_is_noted_and_stays_in_the_manifest(tmp_path, home, small_copy):
    forms.category_split(small_copy, tmp_path / "copy")
    put(tmp_path / "copy" / "somewhere" / "train.csv", "filename,label\n")
    _add(tmp_path / "copy", home)
    remarks = store.load("mini-imagenet", home).remarks
    assert any("train_phase_val.pickle: other images of the training classes" in text for text in remarks)
    assert "not read: somewhere/train.csv" in remarks
    small_copy.write_hdf5(tmp_path / "hdf5")
    assert not [note for note in _add(tmp_path / "hdf5", tmp_path / "other")["notes"] if "_labels.json" in note]


def _own_size(data: bytes) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(data)).resize((130, 97)).save(out, "JPEG", quality=95)
    return out.getvalue()


def test_images_in_their_own_sizes_are_resized_as_the_paper_does(tmp_path, home, small_copy):
    forms.tables(small_copy, tmp_path / "copy", lambda c, f: f"{f},{c}")
    pixels = []
    for _, name, file, data in each(small_copy):
        put(tmp_path / "copy/images" / file, own := _own_size(data))
        if name == "n01930112":
            resized = Image.open(io.BytesIO(own)).resize((84, 84), Image.Resampling.LANCZOS)
            pixels.append(np.asarray(resized).tobytes())
    assert any("LANCZOS" in note for note in _add(tmp_path / "copy", home)["notes"])
    added = store.load("mini-imagenet", home)
    (c,) = added.split("test")
    assert sorted(image.tobytes() for image in added.images[c.offset : c.offset + c.count]) == sorted(pixels)


def _resized(copy, out):
    for _, name, file, data in each(copy):
        image = io.BytesIO()
        Image.open(io.BytesIO(data)).resize((64, 64)).save(image, "JPEG")
        put(out / name / file, image.getvalue())


def _in_both_splits(copy, out):
    images(copy, out, lambda s, c, f: f"{'test' if f.endswith('3.jpg') else 'train'}/{c}/{f}")


def _another_split(copy, out):
    turned = {"train": "test", "valid": "train", "test": "val"}
    images(copy, out, lambda s, c, f: f"{turned[s]}/{c}/{f}")


def _repeated(copy, out):
    for name, cache in copy.caches().items():
        indices = next(iter(cache["class_dict"].values()))
        indices[0] = indices[1]
        put(out / name, pickle.dumps(cache, 2))


def _exchanged(copy, out):
    other = {"val": "test", "test": "val"}
    for name, cache in copy.caches().items():
        put(out / re.sub("val|test", lambda found: other[found[0]], name), pickle.dumps(cache, 2))


def _floats(copy, out):
    for name, cache in copy.caches().items():
        put(out / name, pickle.dumps(cache | {"image_data": cache["image_data"].astype("f4") / 255}, 4))


def _egnn(copy, out):
    for k, split in enumerate(("train", "test", "valid")):
        content = {
            k + i: [image.astype("f4") for image in found] for i, found in enumerate(copy.pixels(split).values())
        }
        put(out / f"compacted_datasets/mini_imagenet_{FILES[split]}.pickle", pickle.dumps(content, 2))


def _egnn_renamed(copy, out):
    content = {0: [1, 2], 1: [3, 4]}
    put(out / "train.pickle", pickle.dumps(content, 2))


def _bare_numbers(copy, out):
    forms.in_parquet(copy, out, named=False)


def _timm(copy, out):
    names = [name for _, name in copy.jpegs]
    for file in ("train", "validation", "test"):
        rows = [(data, None, names.index(c)) for _, c, _, data in each(copy)]
        forms.parquet(out / f"data/{file}-00000-of-00001.parquet", rows, names)


def _unmatched(copy, out):
    forms.tables(copy, out, lambda c, f: f"other{f},{c}"), images(copy, out, forms.flat)


def _two_names_of_a_label(copy, out):
    images(copy, out, forms.flat), forms.tables(copy, out, lambda c, f: f"{f},7")


def _npz(copy, out):
    out.mkdir()
    np.savez(out / "train.npz", images=np.zeros((1, 84, 84, 3), np.uint8))


def _torch(copy, out):
    put(out / "train.pt", b"x")


def _no_labels_of_as_many(copy, out):
    content = forms.labelled(copy.pixels("train"), 0)
    put(out / "miniImageNet_category_split_train.pickle", pickle.dumps(content | {"labels": [0]}, 2))


def _list_of_names(copy, out):
    """Class labels as words, in a list that Python 3 pickled as bytes."""
    for split, pixels in ((s, copy.pixels(s)) for s in FILES):
        labels = [name.encode() for name, found in pixels.items() for _ in found]
        content = {"data": np.concatenate(list(pixels.values())), "labels": labels}
        file = "train_phase_train" if split == "train" else FILES[split]
        put(out / f"miniImageNet_category_split_{file}.pickle", pickle.dumps(content, 4))


def _quoted(copy, out):
    """A table with quotes, a blank after each comma, a byte order mark, and an index column without a name."""
    images(copy, out, forms.flat)
    forms.tables(copy, out, lambda c, f: f'7, "{f}", "{c}"', '\ufeff,"filename", "label"\n', "\r\n")


def _semicolons(copy, out):
    images(copy, out, forms.flat), forms.tables(copy, out, lambda c, f: f"{f};{c}", "filename;label\n")


def _tabs(copy, out):
    images(copy, out, forms.flat), forms.tables(copy, out, lambda c, f: f"{f}\t{c}", "filename\tlabel\n")
    for file in FILES.values():
        (out / f"{file}.csv").rename(out / f"{file}.tsv")


def _without_suffixes(copy, out):
    images(copy, out, forms.flat), forms.tables(copy, out, lambda c, f: f"{f[:-4]},{c}")


def _saved_as_png(copy, out):
    """Image files that were saved again with a suffix other than in the tables."""
    forms.tables(copy, out, lambda c, f: f"{f},{c}")
    for _, _, file, data in each(copy):
        again = io.BytesIO()
        Image.open(io.BytesIO(data)).save(again, "PNG")
        put(out / "images" / f"{file[:-4]}.png", again.getvalue())


def _plain_parquet(copy, out):
    """Images and class names in separate columns, as pandas writes them."""
    for split, file in FILES.items():
        rows = [(data, c) for s, c, _, data in each(copy) if s == split]
        table = pa.table({"image": [data for data, _ in rows], "label": [c for _, c in rows]})
        put(out / f"{file}.parquet", b"")
        pq.write_table(table, out / f"{file}.parquet")


@pytest.mark.parametrize(
    "write",
    [_list_of_names, _quoted, _semicolons, _tabs, _without_suffixes, _saved_as_png, _plain_parquet],
)
def test_variants_of_forms_have_the_one_digest(tmp_path, home, small_copy, digest, write):
    write(small_copy, tmp_path / "copy")
    assert _add(tmp_path / "copy", home)["digest"] == digest


def _numbered_classes(copy, out):
    for name, cache in copy.caches().items():
        numbered = dict(enumerate(cache["class_dict"].values()))
        put(out / name, pickle.dumps(cache | {"class_dict": numbered}, 4))


def _bitmaps(copy, out):
    for _, name, file, data in each(copy):
        again = io.BytesIO()
        Image.open(io.BytesIO(data)).save(again, "BMP")
        put(out / name / f"{file}.bmp", again.getvalue())


def _numbered_folders(copy, out):
    images(copy, out, lambda s, c, f: f"{s}/{len(c)}/{f[-8:]}")


def _one_cache(copy, out):
    put(out / "mini-imagenet-cache.pkl", pickle.dumps({}, 4))


def _of_cifar(copy, out):
    put(out / "cifar-100-python/meta", b"x")


def _wide_text(copy, out):
    images(copy, out, forms.flat), put(out / "train.csv", "filename,label\n".encode("utf-16"))


def _one_name_of_two_labels(copy, out):
    content = forms.labelled(copy.pixels("train"), 0)
    put(
        out / "miniImageNet_category_split_train.pickle",
        pickle.dumps(content | {"catname2label": None, "label2catname": ["n01532829", "n01532829"]}, 2),
    )


def _other_hdf5(copy, out):
    put(out / "mini-imagenet-train.h5", b"x")


def _no_names(copy, out):
    content = forms.labelled(copy.pixels("train"), 0)
    put(out / "miniImageNet_category_split_train.pickle", pickle.dumps(content | {"catname2label": {}}, 2))


@pytest.mark.parametrize(
    "write, words",
    [
        (_resized, ["64x64 pixels, not 84x84", "resized to another size"]),
        (_in_both_splits, ["4 classes", "folders of two splits", "not of classes", "PATH/CLASS/"]),
        (_another_split, ["is in 'test' but belongs to 'train'", "4 of 4 classes", "`folder`"]),
        (_repeated, ["mini-imagenet-cache-train.pkl", "every image has one class"]),
        (_exchanged, ["the files of test and valid are swapped"]),
        (_floats, ["floats", "astype('uint8')"]),
        (_egnn, ["mini_imagenet_test.pickle", "which lack the names of the classes", "use a copy that has the names"]),
        (_egnn_renamed, ["2 classes named by number", "cannot be recovered"]),
        (_bare_numbers, ["labels are numbers (3)", "use a copy that has the names"]),
        (_timm, ["4 classes", "split of images", "Ravi & Larochelle"]),
        (
            _unmatched,
            ["train.csv lists 8 images (first othern0153282900000000.jpg)", "but none is", "16 image files"],
        ),
        (_two_names_of_a_label, ["label 7 is n01532829 and n01558993"]),
        (_npz, ["train.npz", "one folder per class", "found 1 .npz"]),
        (_torch, ["train.pt", "programs"]),
        (_no_labels_of_as_many, ["1 labels for 8 images"]),
        (_one_name_of_two_labels, ["two of its labels have one name", "use another copy"]),
        (
            _other_hdf5,
            ["train.h5 is one of the HDF5 files with other names", "rename them to train_data"],
        ),
        (_no_names, ["2 labels (0, 1) have no name"]),
        (_numbered_classes, ["4 of 4 classes are named by number", "use a copy that has the names"]),
        (_bitmaps, [".bmp is one of the images in formats", "save them as PNG"]),
        (_numbered_folders, ["its folders (9) do not have the names of classes (n01532829)"]),
        (_one_cache, ["name the files by their splits"]),
        (_of_cifar, ["it holds files of CIFAR-FS or FC100", "data add cifar-fs"]),
        (_wide_text, ["train.csv", "save it as CSV in UTF-8"]),
    ],
)
def test_what_cannot_be_read_is_one_line_that_says_what_to_do(tmp_path, home, small_copy, refused, write, words):
    write(small_copy, tmp_path / "copy")
    line = refused(_add, tmp_path / "copy", home)
    assert [word for word in words if word not in line] == [] and not home.exists(), line


def test_a_single_file_and_packed_hdf5_say_what_to_give(tmp_path, home, small_copy, refused):
    copy = small_copy.write_pickles(tmp_path / "copy")
    assert "give the folder" in refused(_add, copy / "mini-imagenet-cache-train.pkl", home)
    small_copy.write_hdf5(tmp_path / "hdf5")
    files = {f"miniimagenet/{file.name}": file.read_bytes() for file in (tmp_path / "hdf5/miniimagenet").iterdir()}
    line = refused(_add, pack(tmp_path / "torchmeta.tar.gz", files), home)
    assert "torchmeta.tar.gz holds miniimagenet/train_data.hdf5" in line and "unpack it first" in line
    pack(tmp_path / "outer/mini.zip", {"copy/inner.tar": b"x", "readme.txt": b"y"})
    assert "copy/inner.tar is one of the archives that are not opened" in refused(_add, tmp_path / "outer", home)


class _Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (type(self.path).touch, (self.path,))


@pytest.mark.parametrize("name", ["copy.tar", "copy.tar.gz", "copy.zip"])
def test_nothing_that_a_packed_pickle_carries_is_run(tmp_path, home, small_copy, refused, name):
    files = {file: pickle.dumps(cache, 2) for file, cache in small_copy.caches().items()}
    files["mini-imagenet-cache-val.pkl"] = pickle.dumps({"image_data": _Hostile(tmp_path / "run")}, 2)
    line = refused(_add, pack(tmp_path / name, files), home)
    assert f"{name}/mini-imagenet-cache-val.pkl" in line and "refused" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("mini-imagenet-cache-train.pkl", b"<!DOCTYPE html><html>", "a web page, not the file"),
        ("mini.tar.gz", b"<html>", "a web page, not the file"),
        ("mini-imagenet-cache-train.pkl", b"version https://git-lfs.github.com/spec/v1", "`git lfs pull`"),
        ("train_data.hdf5", b"version https://git-lfs.github.com/spec/v1", "`git lfs pull`"),
        ("mini.tar.gz.crdownload", b"x", "an unfinished download"),
        ("mini.7z", b"x", "cannot be opened here: unpack it first"),
        ("mini-imagenet-cache-train.pkl.gz", b"x", "cannot be opened here: unpack it first"),
    ],
)
def test_what_lies_there_in_place_of_a_copy_is_named(tmp_path, home, refused, name, data, words):
    put(tmp_path / "copy" / name, data)
    assert words in refused(_add, tmp_path / "copy", home)


def test_a_pickle_that_stands_in_two_archives_is_refused(tmp_path, home, small_copy, refused):
    files = {file: pickle.dumps(cache, 2) for file, cache in small_copy.caches().items()}
    for name in ("one.zip", "two.tar"):
        pack(tmp_path / "copy" / name, {**files, "LICENSE": b""})
    assert "two.tar: mini-imagenet-cache-train.pkl is in it twice" in refused(_add, tmp_path / "copy", home)


def test_a_part_is_not_offered_where_no_benchmark_could_run_on_it(tmp_path, home, small_copy, refused):
    copy = small_copy.write_folder(tmp_path / "copy")
    (copy / "val.csv").unlink()
    line = refused(adding.add, "mini-imagenet", copy, home)
    assert "no val.csv next to" in line and "without valid classes" in line and "--partial" not in line


def test_masks_beside_images_are_left_out(tmp_path, home, small_copy, digest):
    forms.all_in_one(small_copy, tmp_path / "copy")
    mask = io.BytesIO()
    Image.new("L", (84, 84)).save(mask, "PNG")
    for file in list((tmp_path / "copy").rglob("*.jpg")):
        put(file.with_suffix(".png"), mask.getvalue())
    manifest = _add(tmp_path / "copy", home)
    assert (
        manifest["digest"] == digest
        and "left out: 16 files that look like masks of the images beside them" in manifest["notes"]
    )


def _photographs(order: slice, classes: int) -> ImageSet:
    """Noise with more red than blue, as in photographs, more so in some classes than in others."""
    random = np.random.default_rng(0)
    tint = np.array([20, 0, -20])
    images = np.stack([random.integers(40, 200, (84, 84, 3)) + tint * (1 + k % 3) for k in range(classes)])
    found = tuple(ImageClass(str(k), "train", k, 1, 1) for k in range(classes))
    return ImageSet("x", images.clip(0, 255).astype(np.uint8)[..., order], found, "")


def test_channels_in_another_order_are_seen(refused):
    turned = slice(None, None, -1)
    line = refused(check_photographs, _photographs(turned, 12), "copy")
    assert "in 12 of 12 classes blue exceeds red" in line and "[..., ::-1]" in line
    check_photographs(_photographs(slice(None), 12), "copy")
    check_photographs(_photographs(turned, 5), "copy")  # so few may be of the sea


def test_rows_and_columns_exchanged_and_images_without_colours_are_seen(refused):
    found = _photographs(slice(None), 12)
    light = found.images // 2 + np.linspace(60, 0, 84, dtype=np.uint8)[:, None, None]
    check_photographs(replace(found, images=light), "copy")
    line = refused(check_photographs, replace(found, images=light.swapaxes(1, 2)), "copy")
    assert "of 12 classes light comes from one side" in line and "swapaxes(1, 2)" in line
    grey = np.repeat(light[..., :1], 3, -1)
    assert "all images are grey" in refused(check_photographs, replace(found, images=grey), "copy")
