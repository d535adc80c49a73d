"""The forms in which data sets circulate, with the file names and bytes that their producers write. Each function
writes a small miniImageNet (`Small`) or another set into an empty folder."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.data.small import FILES, Small, python2, write_torchmeta

NOVEL = {"train": "base", "valid": "val", "test": "novel"}


def put(path: Path, data: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def each(copy: Small) -> Iterable[tuple[str, str, str, bytes]]:
    """Every image, as (split, class, file, JPEG)."""
    return ((s, c, f, data) for (s, c), files in copy.jpegs.items() for f, data in files.items())


def images(copy: Small, out: Path, of: Callable[[str, str, str], str]) -> None:
    for split, name, file, data in each(copy):
        put(out / of(split, name, file), data)


def tables(
    copy: Small, out: Path, row: Callable[[str, str], str], header: str = "filename,label\n", end: str = "\n"
) -> None:
    for split, file in FILES.items():
        rows = [row(name, image) + end for s, name, image, _ in each(copy) if s == split]
        put(out / f"{file}.csv", header + "".join(rows))


def flat(split: str, name: str, file: str) -> str:
    return f"images/{file}"


def in_split_folder(copy: Small, out: Path) -> None:
    """The form of FEAT and DeepEMD: `images/` and `split/{train,val,test}.csv`."""
    images(copy, out, flat), tables(copy, out / "split", lambda c, f: f"{f},{c}")


def libfewshot(copy: Small, out: Path) -> None:
    images(copy, out, lambda s, c, f: f"images/{c}/{f}"), tables(copy, out, lambda c, f: f"{c}/{f},{c}")


def names_of_a_class(copy: Small, out: Path) -> None:
    """File names that are unique only within a class."""
    images(copy, out, lambda s, c, f: f"images/{c}/{f[-12:]}"), tables(copy, out, lambda c, f: f"{c}/{f[-12:]},{c}")


def blanks(copy: Small, out: Path) -> None:
    """Blanks in the header, as in LibFewShot's documentation and in FEAT's CUB."""
    images(copy, out, flat), tables(copy, out, lambda c, f: f"{f}, {c}", "filename, label\n")


def backslashes(copy: Small, out: Path) -> None:
    """Lists that were written on Windows."""
    images(copy, out, flat), tables(copy, out, lambda c, f: f"images\\{f},{c}", end="\r\n")


def no_header(copy: Small, out: Path) -> None:
    images(copy, out, flat), tables(copy, out, lambda c, f: f"{f},{c}", "")


def numbered(copy: Small, out: Path) -> None:
    number = {name: k for k, (_, name) in enumerate(copy.jpegs)}
    images(copy, out, flat), tables(copy, out, lambda c, f: f"{f},{number[c]}")


def easyfsl(copy: Small, out: Path) -> None:
    images(copy, out, lambda s, c, f: f"{c}/{f}"), tables(copy, out, lambda c, f: f"{c},{f}", "class_name,image_name\n")


def closerlook(copy: Small, out: Path) -> None:
    """`base.json`, `val.json` and `novel.json` with the paths of the machine that wrote them, and one folder
    `train/`."""
    names = [name for _, name in copy.jpegs]
    for split, file in NOVEL.items():
        mine = [(f"/home/somebody/Imagenet/train/{c}/{f}", names.index(c)) for s, c, f, _ in each(copy) if s == split]
        listed = {"label_names": names, "image_names": [p for p, _ in mine], "image_labels": [k for _, k in mine]}
        put(out / f"{file}.json", json.dumps(listed))
    images(copy, out, lambda s, c, f: f"train/{c}/{f}")


def class_folders(copy: Small, out: Path) -> None:
    """MAML's form, as proc_images.py writes it: {train,val,test}/<class>/, with an empty images/."""
    images(copy, out, lambda s, c, f: f"{FILES[s]}/{c}/{f}"), (out / "images").mkdir()


def meta_folders(copy: Small, out: Path) -> None:
    images(copy, out, lambda s, c, f: f"meta-{FILES[s]}/{c}/{f}")


def all_in_one(copy: Small, out: Path) -> None:
    """One folder per class and no split, as on Kaggle."""
    images(copy, out, lambda s, c, f: f"{c}/{f}")


def no_tables(copy: Small, out: Path) -> None:
    images(copy, out, flat)


def phases(copy: Small, out: Path) -> None:
    """SIB's form: further images of the training classes in separate parts."""
    images(copy, out, lambda s, c, f: f"{'train_train' if s == 'train' else FILES[s]}/{c}/{f}")
    first = next(each(copy))
    put(out / "train_val" / first[1] / "other.jpg", first[3])


def tar_each(copy: Small, out: Path) -> None:
    """MTL's form: train.tar, val.tar and test.tar with one folder per class."""
    for split, file in FILES.items():
        pack(out / f"{file}.tar", {f"{file}/{name}/{image}": data for s, name, image, data in each(copy) if s == split})


def category_split(copy: Small, out: Path, dumps: Callable[[Any], bytes] = python2) -> None:
    """The pickles of Gidaris and of MetaOptNet, whose labels continue from split to split."""
    first = 0
    for split, file in {"train": "train_phase_train", "valid": "val", "test": "test"}.items():
        pixels = copy.pixels(split)
        content = labelled(pixels, first)
        first += len(pixels)
        put(out / f"miniImageNet_category_split_{file}.pickle", dumps(content))
    put(out / "miniImageNet_category_split_train_phase_val.pickle", dumps(labelled(copy.pixels("train"), 0)))


def labelled(pixels: Mapping[str, np.ndarray], first: int) -> dict[str, Any]:
    numbers = {name: first + k for k, name in enumerate(pixels)}
    return {
        "data": np.concatenate(list(pixels.values())),
        "labels": [numbers[name] for name, found in pixels.items() for _ in found],
        "catname2label": numbers,
    }


def category_split_saved_again(copy: Small, out: Path) -> None:
    category_split(copy, out, lambda content: pickle.dumps(content, -1))


def bytes_keys(copy: Small, out: Path) -> None:
    """Caches that were loaded with encoding="bytes" and saved again."""
    for name, cache in copy.caches().items():
        again = {
            b"image_data": cache["image_data"],
            b"class_dict": {k.encode(): v for k, v in cache["class_dict"].items()},
        }
        put(out / name, pickle.dumps(again, 4))


def learn2learn(copy: Small, out: Path) -> None:
    """learn2learn's form: the split is called `validation`, and other files lie next to the data."""
    for name, cache in copy.caches().items():
        put(out / name.replace("-val", "-validation"), pickle.dumps(cache, 2))
    put(out / "mini-imagenet-bookkeeping-train.pkl", pickle.dumps({"labels_to_indices": {}}, 4))


def packed_caches(copy: Small, out: Path) -> None:
    """torchmeta's download before unpacking."""
    pack(out / "mini-imagenet.tar.gz", {name: pickle.dumps(cache, 2) for name, cache in copy.caches().items()})


def packed_category_split(copy: Small, out: Path) -> None:
    """MetaOptNet's download before unpacking."""
    category_split(copy, out)
    pack(out / "miniImageNet.zip", {f"miniImageNet/{file.name}": file.read_bytes() for file in sorted(out.iterdir())})
    for file in out.glob("*.pickle"):
        file.unlink()


def pack(path: Path, files: Mapping[str, bytes]) -> Path:
    """Packs these files into a tar or zip archive."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, data in files.items():
                packed.writestr(name, data)
        return path
    with tarfile.open(path, "w:" + path.name.partition(".tar")[2].lstrip(".")) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def channels_first(copy: Small, out: Path) -> None:
    for name, cache in copy.caches().items():
        turned = np.ascontiguousarray(cache["image_data"].transpose(0, 3, 1, 2))
        put(out / name, pickle.dumps(cache | {"image_data": turned}, 4))


def interrupted(copy: Small, out: Path) -> None:
    """torchmeta's form, interrupted midway: one split is already HDF5, the others are still pickles."""
    out.mkdir(parents=True)
    write_torchmeta(out, "train", copy.pixels("train"))
    for name, cache in copy.caches().items():
        if "train" not in name:
            put(out / name, pickle.dumps(cache, 2))


def without_labels(copy: Small, out: Path) -> None:
    copy.write_hdf5(out)
    for labels in out.rglob("*_labels.json"):
        labels.unlink()


def parquet(
    path: Path, rows: list[tuple[bytes, str | None, int]], names: list[str] | None, column: str = "image"
) -> None:
    """Hugging Face's form: `{bytes, path}` and a number; class names, if any, in the metadata."""
    label = {"names": names, "_type": "ClassLabel"} if names else {"dtype": "int64", "_type": "Value"}
    stored = [{"bytes": data, "path": file} for data, file, _ in rows]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({column: pa.array(stored, kind), "label": pa.array([k for *_, k in rows], pa.int64())})
    info = {"info": {"features": {column: {"_type": "Image"}, "label": label}}}
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(info)}), path, row_group_size=3)


def in_parquet(
    copy: Small,
    out: Path,
    named: bool = True,
    paths: bool = False,
    file_of: str = "data/{}-00000-of-00001.parquet",
) -> None:
    names = [name for _, name in copy.jpegs]
    for split, file in {"train": "train", "valid": "validation", "test": "test"}.items():
        rows = [(data, f if paths else None, names.index(c)) for s, c, f, data in each(copy) if s == split]
        parquet(out / file_of.format(file), rows, names if named else None)


def parquet_with_paths(copy: Small, out: Path) -> None:
    in_parquet(copy, out, named=False, paths=True)


def parquet_in_folders(copy: Small, out: Path) -> None:
    """What Hugging Face converts to Parquet: one folder per split."""
    in_parquet(copy, out, file_of="default/{}/0000.parquet")


def parquet_by_name(copy: Small, out: Path) -> None:
    in_parquet(copy, out, file_of="mini-imagenet-{}.parquet")


def hdf5_without_group(copy: Small, out: Path) -> None:
    """torchmeta's names, but the classes are not in its group `datasets`."""
    out.mkdir()
    for split, file in FILES.items():
        with h5py.File(out / f"{file}_data.hdf5", "w") as data:
            for name, pixels in copy.pixels(split).items():
                data.create_dataset(name if split == "test" else f"data/{name}", data=pixels)


MINI_IMAGENET = (
    in_split_folder, libfewshot, names_of_a_class, blanks, backslashes, no_header, numbered, easyfsl, closerlook,
    class_folders, meta_folders, all_in_one, no_tables, phases, tar_each, category_split, category_split_saved_again,
    bytes_keys, learn2learn, packed_caches, packed_category_split, channels_first, interrupted, without_labels,
    in_parquet, parquet_with_paths, parquet_in_folders, parquet_by_name, hdf5_without_group,
)  # fmt: skip
