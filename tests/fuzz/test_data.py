"""Readers of a user's data: pickles, archives, HDF5, images, tables, manifests."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bench.data import embedded_omniglot, prepared
from bench.data.images import DataSetCopy
from bench.data.readers import cifar100, cub, folder, mini_imagenet, tiered_imagenet, torchmeta
from bench.data.readers.archives import read_archives
from bench.data.readers.image_files import decode
from bench.data.readers.plain_pickles import load_plain
from tests.data.forms import pack
from tests.fuzz import as_json, inputs, mutated, mutated_json, read, written

IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
CACHE = {"image_data": IMAGES, "class_dict": {"a": [0, np.int64(1)], "b": np.array([1], ">i4")}}
PICKLES = [pickle.dumps(CACHE, protocol) for protocol in range(6)]
CODES = [getattr(pickle, name) for name in dir(pickle) if name.isupper() and type(getattr(pickle, name)) is bytes]
PROGRAMS = st.lists(
    st.sampled_from([code for code in CODES if len(code) == 1])
    | st.binary(max_size=5)
    | st.sampled_from([b"cnumpy\ndtype\n", b"cnumpy\nndarray\n", b"ccollections\nOrderedDict\n", b"\x8c\x02u1"])
    | st.just(b"cos\nsystem\n"),
    max_size=40,
).map(b"".join)  # fmt: skip


@inputs
@given(mutated(*PICKLES) | PROGRAMS)
def test_pickles(place: Path, data: bytes) -> None:
    read("pickle caches", lambda: load_plain(written(place, "x.pkl", data)))


def _pickled_cache() -> bytes:
    """A pickle of images of one value; the tests change only the bytes before and after the images."""
    return pickle.dumps({"image_data": np.zeros((2, 84, 84, 3), np.uint8), "class_dict": {"n01532829": [0, 1]}}, 2)


@inputs
@given(st.data())
def test_pickles_as_data_sets(place: Path, data: Any) -> None:
    head, images, tail = _pickled_cache().partition(b"\0" * 42336)
    content = data.draw(mutated(head)) + images + data.draw(mutated(tail) | st.just(tail))
    (place / "pickles").mkdir(exist_ok=True)
    written(place / "pickles", "mini-imagenet-cache-train.pkl", content)
    read("pickle caches as data sets", lambda: _all(mini_imagenet.open_source(place / "pickles", False)))


def _all(source: DataSetCopy) -> list[np.ndarray]:
    return [c.read() for c in source.classes]


def _packed() -> dict[str, bytes]:
    """A tar and a zip that contain such a pickle."""
    out = {}
    for name in ("x.tar", "x.zip"):
        with tempfile.TemporaryDirectory() as folder:
            out[name] = pack(Path(folder) / name, {"mini-imagenet-cache-train.pkl": _pickled_cache()}).read_bytes()
    return out


PACKED = _packed()


@inputs
@given(st.sampled_from(sorted(PACKED)), st.data())
def test_packed_pickles(place: Path, name: str, data: Any) -> None:
    head, images, tail = PACKED[name].partition(b"\0" * 42000)
    content = data.draw(mutated(head)) + images + data.draw(mutated(tail) | st.just(tail))
    path = written(place, name, content)
    read("packed pickles", lambda: _all(mini_imagenet.open_source(path, False)))


MEMBERS = {"a/one.png": b"1" * 600, "a/two.png": bytes(range(256)), "three.txt": b"3"}


def _tar(form: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, data in [*MEMBERS.items(), ("a" * 90 + "/" + "é" * 40 + ".png", b"4")]:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()[:6144]


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, zipfile.ZIP_STORED):
            for name, data in MEMBERS.items():
                archive.writestr(f"{method}/{name}", data, method)
    return out.getvalue()


TARS = [_tar(form) for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)]
PACK: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress}


@inputs
@given(mutated(*TARS))
def test_tars(place: Path, data: bytes) -> None:
    read("tar archives", lambda: read_archives([written(place, "x.tar", data)], (".png",)))


@inputs
@given(mutated(*TARS), st.sampled_from(sorted(PACK)), st.booleans(), st.data())
def test_compressed_tars(place: Path, data: bytes, form: str, inside: bool, more: Any) -> None:
    packed = PACK[form](data) if inside else more.draw(mutated(*(PACK[form](tar) for tar in TARS)))
    read("compressed tar archives", lambda: read_archives([written(place, f"x.tar.{form}", packed)], (".png",)))


@inputs
@given(mutated(_zip()))
def test_zips(place: Path, data: bytes) -> None:
    read("zip archives", lambda: read_archives([written(place, "x.zip", data)], (".png",)))


def _hdf5(**how: Any) -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        for name in ("datasets/n01532829", "datasets/n01558993"):
            file.create_dataset(name, data=np.zeros((2, 84, 84, 3), np.uint8), **how)
    return out.getvalue()


HDF5 = [_hdf5(chunks=(1, 84, 84, 3), compression="gzip", shuffle=True), _hdf5(chunks=(1, 84, 84, 3), compression="lzf")]


@inputs
@given(mutated(*HDF5))
def test_hdf5(place: Path, data: bytes) -> None:
    """In a separate process, because the library is C code that could crash."""
    copy = place / "hdf5"
    copy.mkdir(exist_ok=True)
    written(copy, "train_data.hdf5", data)
    written(copy, "train_labels.json", b'["n01532829", "n01558993"]')
    read("HDF5 files", lambda: _in_a_child(lambda: _all(mini_imagenet.open_source(copy, False))))


def _in_a_child(function: Callable[[], Any]) -> None:
    """Calls a function in a forked process, and raises its error here, as far as one line can describe it."""
    from bench.errors import UserError

    ends = os.pipe()
    child = os.fork()
    if not child:
        try:
            function()
            os._exit(0)
        except UserError as error:
            os.write(ends[1], str(error).encode())
            os._exit(2)
        except BaseException as error:
            os.write(ends[1], repr(error).encode())
        finally:
            os._exit(1)
    os.close(ends[1])
    with open(ends[0], "rb") as pipe:
        said = pipe.read().decode()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == 2:
        raise UserError(said)
    assert code == 0, (code, said)


def _image(form: str, **how: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(IMAGES.repeat(28, 1).repeat(21, 2)[0]).save(out, form, **how)
    return out.getvalue()


PICTURES = [_image("PNG"), _image("JPEG"), _image("JPEG", progressive=True), _image("PNG", bits=1)]


@inputs
@given(mutated(*PICTURES))
def test_images(data: bytes) -> None:
    for corrupt in (None, []):
        read("images", lambda corrupt=corrupt: decode({"x": data}, ["x"], 84, "RGB", corrupt))


CSV = b"filename,label\nn0153282900000005.jpg,n01532829\nn0153282900000006.jpg,n01532829\n"


@inputs
@given(mutated(CSV))
def test_tables_of_images(place: Path, data: bytes) -> None:
    copy = place / "csv"
    (copy / "images").mkdir(parents=True, exist_ok=True)
    written(copy / "images", "n0153282900000005.jpg", PICTURES[1])
    written(copy, "train.csv", data)
    read("tables of images", lambda: _all(mini_imagenet.open_source(copy, False)))


@inputs
@given(mutated(b'["n01532829", "n01558993"]'))
def test_labels(place: Path, data: bytes) -> None:
    read("labels of an HDF5 file", lambda: torchmeta._labels(written(place, "labels.json", data)))


JSON_TABLE = {"label_names": ["n01532829"], "image_names": ["/a/n0153282900000005.jpg"], "image_labels": [0]}


@inputs
@given(st.data())
def test_lists_in_json(place: Path, data: Any) -> None:
    """Lists as in `filelists` and lists of classes: for a known data set, and for a user's own images."""
    copy = place / "json"
    (copy / "images").mkdir(parents=True, exist_ok=True)
    written(copy / "images", "n0153282900000005.jpg", PICTURES[1])
    for name in ("base", "val", "novel"):
        valid = data.draw(st.sampled_from([JSON_TABLE, {"class_names": ["images"], "class_roots": ["x"]}]))
        written(copy, f"{name}.json", data.draw(mutated_json(valid).map(as_json) | mutated(as_json(valid))))
    read("lists in JSON", lambda: _all(mini_imagenet.open_source(copy, False)))
    read("lists in JSON, of own images", lambda: _all(folder.open_source(copy, False, 16, False, None)))
    read("lists in JSON, beside birds", lambda: _all(cub.open_source(copy, False)))


LABELS = b"FILE_NAME,CATEGORY\r\n" + b"".join(b"n0153282900000005.jpg,c%d\r\n" % k for k in range(4))


@inputs
@given(
    mutated(LABELS, LABELS.replace(b"\r", b",train\r"), b'{"file_name": "n0153282900000005.jpg", "label": "c1"}\n' * 3),
    st.sampled_from(
        ["labels.csv", "train.csv", "images_variant_train.txt", "imagelabels.mat", "metadata.jsonl", "train.txt"]
    ),
)
def test_tables_of_own_images(place: Path, data: bytes, name: str) -> None:
    copy = place / "own" / name
    (copy / "images").mkdir(parents=True, exist_ok=True)
    written(copy / "images", "n0153282900000005.jpg", PICTURES[1])
    written(copy, name, data)
    read("tables of own images", lambda: _all(folder.open_source(copy, False, 16, False, None)))


LABELLED = {"data": np.zeros((2, 32, 32, 3), np.uint8), "labels": [0, 1], b"catname2label": {"a": 0, "b": 1}}


@inputs
@given(st.data())
def test_labelled_pickles(place: Path, data: Any) -> None:
    head, images, tail = pickle.dumps(LABELLED, 2).partition(b"\0" * 6144)
    content = data.draw(mutated(head)) + images + data.draw(mutated(tail) | st.just(tail))
    (place / "labelled").mkdir(exist_ok=True)
    written(place / "labelled", "CIFAR_FS_train.pickle", content)
    read("labelled pickles", lambda: _all(cifar100.open_source(place / "labelled", False, "cifar_fs")))


def _npz() -> bytes:
    out = io.BytesIO()
    np.savez(out, images=np.zeros((2, 84, 84, 3), np.uint8))
    return out.getvalue()


@inputs
@given(st.data())
def test_numpy_archives(place: Path, data: Any) -> None:
    head, images, tail = _npz().partition(b"\0" * 42336)
    (place / "npz").mkdir(exist_ok=True)
    content = data.draw(mutated(head)) + images + data.draw(mutated(tail) | st.just(tail))
    written(place / "npz", "train_images.npz", content)
    written(place / "npz", "train_labels.pkl", data.draw(st.just(pickle.dumps({"labels": [0, 1]})) | mutated(b"x")))
    read("NumPy archives", lambda: _all(tiered_imagenet.open_source(place / "npz", False)))


def _table() -> bytes:
    out = io.BytesIO()
    stored = [{"bytes": PICTURES[1], "path": "n0153282900000005.jpg"}] * 2
    pq.write_table(pa.table({"image": stored, "label": [0, 1]}), out)
    return out.getvalue()


@inputs
@given(mutated(_table()))
def test_parquet(place: Path, data: bytes) -> None:
    """In a separate process, because the library is C++ code that could crash."""
    (place / "parquet").mkdir(exist_ok=True)
    written(place / "parquet", "train-00000-of-00001.parquet", data)
    read("Parquet", lambda: _in_a_child(lambda: _all(mini_imagenet.open_source(place / "parquet", False))))


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], bytes]:
    folder = tmp_path_factory.mktemp("prepared")
    classes = list(embedded_omniglot.open_embedded().classes)[:3]
    prepared.write(
        folder,
        classes,
        embedded_omniglot.resize_nearest,
        lambda: dict.fromkeys(("name", "source"), "x") | {"corrupt": [], "partial": True},
    )
    return folder, json.loads((folder / "manifest.json").read_text()), (folder / "images.npy").read_bytes()


@inputs
@given(st.data())
def test_manifests(manifest: tuple[Path, dict[str, Any], bytes], data: Any) -> None:
    folder, valid, images = manifest
    text = data.draw(mutated_json(valid).map(as_json) | mutated(as_json(valid)))
    written(
        folder, "images.npy", data.draw(st.just(images) | mutated(images[:128]).map(lambda head: head + images[128:]))
    )
    written(folder, "manifest.json", text)
    found = read("prepared data", lambda: prepared.read(folder), prepared.Unusable)
    if found is not None:
        read("prepared data, verified", lambda: prepared.verify(folder), prepared.Unusable)
        assert all(
            isinstance(c.name, str) and found.images[c.offset : c.offset + c.count].shape[0] == c.count
            for c in found.classes
        )
