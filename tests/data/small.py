"""Small copies of the data sets, in the formats in which they circulate."""

from __future__ import annotations

import csv
import io
import json
import pickle
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from PIL import Image

from bench.data.splits import read_split

FILES = {"train": "train", "valid": "val", "test": "test"}
FEW = 4  # images of a class


@dataclass(frozen=True)
class Small:
    """A few images of a few classes of miniImageNet: (split, class) -> file name -> JPEG."""

    jpegs: dict[tuple[str, str], dict[str, bytes]]

    def pixels(self, split: str) -> dict[str, np.ndarray]:
        """The images by class: class -> uint8 [images, 84, 84, 3]."""
        return {
            name: np.stack([np.asarray(Image.open(io.BytesIO(data))) for data in files.values()])
            for (owner, name), files in self.jpegs.items()
            if owner == split
        }

    def images(self) -> dict[str, bytes]:
        return {name: data for files in self.jpegs.values() for name, data in files.items()}

    def write_csv(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for split, file in FILES.items():
            rows = [(name, label) for (owner, label), names in self.jpegs.items() if owner == split for name in names]
            with open(folder / f"{file}.csv", "w", newline="") as table:
                csv.writer(table).writerows([("filename", "label"), *rows])

    def write_folder(self, folder: Path) -> Path:
        self.write_csv(folder)
        (folder / "images").mkdir()
        for name, data in self.images().items():
            (folder / "images" / name).write_bytes(data)
        return folder

    def write_tars(self, folder: Path, compression: str) -> Path:
        """Writes the CSV files next to two archives."""
        self.write_csv(folder)
        images = list(self.images().items())
        for part in (0, 1):
            suffix = f".{compression}" if compression else ""
            with tarfile.open(folder / f"part{part}.tar{suffix}", f"w:{compression}") as archive:
                for name, data in images[part::2]:
                    member = tarfile.TarInfo(f"images/{name}")
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))
        return folder

    def write_zip(self, folder: Path) -> Path:
        """Writes one archive with everything in a folder inside it."""
        self.write_csv(folder / "tables")
        with zipfile.ZipFile(folder / "all.zip", "w") as archive:
            for name, data in self.images().items():
                archive.writestr(f"mini/images/{name}", data)
            for file in FILES.values():
                archive.write(folder / "tables" / f"{file}.csv", f"mini/{file}.csv")
        return folder / "all.zip"

    def caches(self) -> dict[str, dict]:
        """File name -> content, as in torchmeta's download and others: the images of a split in mixed order, and
        indices."""
        return {f"mini-imagenet-cache-{file}.pkl": _mixed(self.pixels(split)) for split, file in FILES.items()}

    def write_pickles(self, folder: Path, dumps: Callable[[dict], bytes] = pickle.dumps) -> Path:
        folder.mkdir(parents=True)
        for name, cache in self.caches().items():
            (folder / name).write_bytes(dumps(cache))
        return folder

    def write_hdf5(self, folder: Path) -> Path:
        """Writes the images as torchmeta does, in its folder `miniimagenet`."""
        (folder / "miniimagenet").mkdir(parents=True)
        for split, file in FILES.items():
            write_torchmeta(folder / "miniimagenet", file, self.pixels(split))
        return folder


def _mixed(pixels: dict[str, np.ndarray]) -> dict:
    names = [name for name, images in pixels.items() for _ in images]
    order = random.Random(1).sample(range(len(names)), len(names))
    images = np.concatenate(list(pixels.values()))[order]
    return {"image_data": images, "class_dict": {n: [k for k, i in enumerate(order) if names[i] == n] for n in pixels}}


def write_torchmeta(folder: Path, file: str, pixels: dict[str, np.ndarray]) -> None:
    with h5py.File(folder / f"{file}_data.hdf5", "w") as data:
        group = data.create_group("datasets")
        for name, images in pixels.items():
            group.create_dataset(name, data=images)
    (folder / f"{file}_labels.json").write_text(json.dumps(sorted(pixels)))


class _Python2(pickle._Pickler):
    """Pickles text and bytes as Python 2 pickled its single string type, which the original CIFAR files use."""

    dispatch = pickle._Pickler.dispatch.copy()

    def _save_string(self, value: str | bytes) -> None:
        data = value.encode("latin1") if isinstance(value, str) else value
        self.write(pickle.BINSTRING + struct.pack("<i", len(data)) + data)
        self.memoize(value)

    dispatch[str] = dispatch[bytes] = _save_string


def python2(content: Any) -> bytes:
    out = io.BytesIO()
    _Python2(out, 2).dump(content)
    return out.getvalue()


def encoded(random: np.random.Generator, side: tuple[int, int], kind: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(random.integers(0, 256, (*side, 3), np.uint8)).save(out, kind)
    return out.getvalue()


def write_cifar(folder: Path, images: int = FEW) -> Path:
    """Writes the original `cifar-100-python` with few images per class: one in `test`, the others in `train`."""
    folder.mkdir(parents=True)
    names = sorted(read_split("fc100"), key=lambda name: name.split("/")[1])
    coarse = sorted({name.split("/")[0] for name in names})
    random = np.random.default_rng(0)
    for file, each in (("train", images - 1), ("test", 1)):
        fine = random.permutation(np.repeat(np.arange(100), each)).tolist()
        content = {
            "data": random.integers(0, 256, (len(fine), 3072), np.uint8),
            "fine_labels": fine,
            "coarse_labels": [coarse.index(names[label].split("/")[0]) for label in fine],
            "filenames": ["x.png"] * len(fine),
            "batch_label": "training batch 1 of 1",
        }
        (folder / file).write_bytes(python2(content))
    meta = {"fine_label_names": [name.split("/")[1] for name in names], "coarse_label_names": coarse}
    (folder / "meta").write_bytes(python2(meta))
    return folder


def tiered_words(file: str) -> list[str]:
    """The classes of a split of tieredImageNet, by their names in the authors' pickles."""
    return [both.split(" ", 1)[1] for both, split in read_split("tiered_imagenet").items() if FILES[split] == file]


def tiered_numbers(file: str) -> list[str]:
    """The classes of a split of tieredImageNet, by their numbers in ImageNet."""
    return [both.split()[0] for both, split in read_split("tiered_imagenet").items() if FILES[split] == file]


def write_tiered(folder: Path) -> dict[str, int]:
    """Writes the original pickles with a few classes, and returns split -> number of classes."""
    folder.mkdir(parents=True)
    random, counts = np.random.default_rng(1), {"train": 3, "val": 1, "test": 2}
    for split, classes in counts.items():
        labels = random.permutation(np.repeat(np.arange(classes), FEW))
        pngs = [np.frombuffer(encoded(random, (84, 84), "PNG"), np.uint8)[:, None] for _ in labels]
        (folder / f"{split}_images_png.pkl").write_bytes(pickle.dumps(pngs, 2))
        content = {
            "label_specific": labels,
            "label_specific_str": tiered_words(split)[:classes],
            "label_general": np.zeros_like(labels),
            "label_general_str": ["thing"],
        }
        (folder / f"{split}_labels.pkl").write_bytes(pickle.dumps(content, 2))
    return counts


def write_birds(folder: Path) -> None:
    """Writes the original folder with few photographs of three birds per split."""
    random = np.random.default_rng(2)
    for split in FILES:
        for name in [name for name, owner in read_split("cub").items() if owner == split][:3]:
            (folder / "images" / name).mkdir(parents=True)
            for k in range(FEW):
                (folder / "images" / name / f"{k}.jpg").write_bytes(encoded(random, (90 + k, 120), "JPEG"))
