"""CIFAR-100 (Krizhevsky 2009), whose classes are split into CIFAR-FS (Bertinetto et al. 2019) and FC100 (Oreshkin et
al. 2018), as in torchmeta. Classes are named `<superclass>/<class>`; all images are 32 x 32 RGB."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.images import DataSetCopy, SourceClass
from bench.data.readers import labelled_arrays, parquet
from bench.data.readers.copies import Copy, open_copies
from bench.data.readers.hdf5 import arrays, count_of, open_hdf5, read_array
from bench.data.readers.image_classes import by_paths, class_by_folder
from bench.data.readers.image_files import decode
from bench.data.readers.plain_pickles import load_plain
from bench.data.readers.probes import channels_are_last
from bench.data.readers.recognised import check_other
from bench.data.readers.refusals import unknown_form_error
from bench.data.splits import read_split
from bench.errors import UserError, command_line

SIDE, PER_CLASS = 32, 600
HDF5, ORIGINAL = "data.hdf5", ("train", "test", "meta")


def open_source(path: Path, keep_going: bool, split: str) -> DataSetCopy:
    """Reads a user's copy, with the committed `split`. Raises UserError if it is not one, or damaged; with
    `keep_going`, broken images are only noted."""
    for copy in open_copies(path, keep_going):
        for read in (_in_hdf5, _in_originals, _in_labelled, _in_parquet, _in_folders):
            if source := read(copy, split):
                copy.note_unread()
                return source
    raise unknown_form_error(copy, "CIFAR-100", split.replace("_", "-"))


def _class(name: str, split: str, count: int, read: Any) -> SourceClass:
    return SourceClass(name, read_split(split).get(name, "unknown"), count, read)


def _uppermost(copy: Copy, name: str) -> Path | None:
    """The file with this name in the uppermost folder."""
    found = [path for path in copy.paths(name).values() if path.name == name]
    first = min(found, key=lambda path: len(path.parts), default=None)
    if first:
        copy.use(first)
    return first


def _in_hdf5(copy: Copy, split: str) -> DataSetCopy | None:
    path = copy.path if copy.path.name == HDF5 else _uppermost(copy, HDF5)
    return copy.source("HDF5 of torchmeta", _hdf5_classes(path, split), path) if path else None


def _hdf5_classes(path: Path, split: str) -> Iterator[SourceClass]:
    found, named = [*arrays(path, open_hdf5(path))], class_by_folder(fine_names())
    check_other([name for name, _ in found], split.replace("_", "-"), path.parent)
    for name, array in found:
        count = count_of(path, name, array, (SIDE, SIDE, 3))
        yield _class(named(name) or name, split, count, partial(read_array, path, array))


def _in_originals(copy: Copy, split: str) -> DataSetCopy | None:
    meta = _uppermost(copy, "meta") or _uppermost(copy, "train")
    there = copy.paths(*ORIGINAL).values()
    lost = [name for name in ORIGINAL if meta is None or meta.with_name(name) not in there]
    if meta and len(lost) == 1:
        raise UserError(f"{meta.parent}: {lost[0]} is missing: give all of {', '.join(ORIGINAL)}")
    if meta is None or lost:
        return None
    contents = {name: load_plain(meta.with_name(name)) for name in ORIGINAL}
    return copy.source("original pickles", _classes(meta.parent, contents, split), meta.parent)


def _classes(where: Path, contents: Mapping[str, Any], split: str) -> Iterator[SourceClass]:
    """The classes from both files together: each has 500 images in `train` and 100 in `test`, which are not splits
    here."""
    parts = [_part(where / name, contents[name]) for name in ("train", "test")]
    images, fine, coarse = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    fine_names, coarse_names = _names(where / "meta", contents["meta"])
    for label in np.unique(fine):
        indices = np.flatnonzero(fine == label)
        name = f"{coarse_names[coarse[indices[0]]]}/{fine_names[label]}"
        yield _class(name, split, len(indices), partial(images.__getitem__, indices))


def _part(path: Path, content: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images [n, 32, 32, 3], fine labels [n] and coarse labels [n] of one of the original files."""
    try:
        images = _planes(path, np.asarray(content["data"], np.uint8))
        fine, coarse = (_labels(content[name], most) for name, most in (("fine_labels", 100), ("coarse_labels", 20)))
        if not len(images) == len(fine) == len(coarse):
            raise ValueError("it needs as many labels as images")
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _not_original(path, error) from error
    return images, fine, coarse


def _planes(path: Path, data: np.ndarray) -> np.ndarray:
    """[n, 32, 32, 3] from the file's [n, 3072], which has one plane per channel. Raises UserError if the channels are
    last."""
    if data.shape[1:] == (SIDE, SIDE, 3):
        return data
    images = data.reshape(len(data), -1)
    if images.shape[1] != 3 * SIDE * SIDE:
        raise ValueError(f"data of shape {data.shape}, not [images, 3072]")
    if data.ndim == 2 and len(data) and channels_are_last(images):
        raise UserError(
            f"{path}: its data are [images, 3072] with the channels last, but cifar-100-python has plane after "
            "plane: save them as [images, 32, 32, 3], or give the original files"
        )
    return images.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)


def _labels(listed: Any, most: int) -> np.ndarray:
    labels = np.asarray(listed, np.int64)
    if labels.ndim != 1 or not ((labels >= 0) & (labels < most)).all():
        raise ValueError(f"labels that are not numbers below {most}")
    return labels


def _names(path: Path, content: Any) -> tuple[Sequence[str], Sequence[str]]:
    try:
        fine, coarse = (list(map(_text, content[f"{kind}_label_names"])) for kind in ("fine", "coarse"))
        if (len(fine), len(coarse)) != (100, 20):
            raise ValueError("not 100 classes in 20 superclasses")
    except (KeyError, TypeError, ValueError) as error:
        raise _not_original(path, error) from error
    return fine, coarse


def _text(name: Any) -> str:
    return name.decode("latin1") if isinstance(name, bytes) else str(name)


def _not_original(path: Path, error: Exception) -> UserError:
    return UserError(f"{path}: not a file of cifar-100-python ({str(error).splitlines()[0]}): get it again")


def fine_names() -> dict[str, str]:
    """`apple` -> `fruit_and_vegetables/apple`, in alphabetical order, by which CIFAR-100 numbers its 100 classes."""
    return {
        name.partition("/")[2]: name for name in sorted(read_split("fc100"), key=lambda name: name.partition("/")[2])
    }


def _in_labelled(copy: Copy, split: str) -> DataSetCopy | None:
    """Reads the pickles of MetaOptNet and RFS, whose labels are CIFAR-100's numbers."""
    files = _pickles(copy, split)
    names, expected, named = dict(enumerate(fine_names().values())), read_split(split), class_by_folder(fine_names())
    found = [c for s, path in files.items() for c in labelled_arrays.in_pickle(s, path, SIDE, names, copy.notes)]
    classes = [replace(c, name=named(c.name) or c.name) for c in found]
    if wrong := [c for c in classes if expected.get(c.name) != c.split]:
        other = {"cifar_fs": "fc100", "fc100": "cifar_fs"}[split]
        if all(read_split(other).get(c.name) == c.split for c in classes):
            source = other.replace("_", "-")
            raise UserError(
                f"{copy.path}: these are the classes of {source}, in its split: use "
                f"`{command_line('data', 'add', source, copy.path)}`"
            )
        raise UserError(
            f"{copy.path}: {len(wrong)} of {len(classes)} labels are not the CIFAR-100 numbers of classes of this "
            f"split ({wrong[0].name} is in {wrong[0].split}, but in {expected.get(wrong[0].name)} here): this "
            "is another split, or the labels were renumbered and the classes' names are lost: give "
            "cifar-100-python"
        )
    return copy.source("labelled pickles", classes) if files else None


def _pickles(copy: Copy, split: str) -> dict[str, Path]:
    """Split -> pickle; of a copy that holds those of both data sets, those that are not named after the other one."""
    other = {"cifar_fs": ("fc100",), "fc100": ("cifar_fs", "cifar-fs", "cifarfs")}[split]
    suffixes = labelled_arrays.PICKLES
    mine = labelled_arrays.by_split(copy, *suffixes, but=(*labelled_arrays.BESIDE, *other))
    return mine or labelled_arrays.by_split(copy, *suffixes)


def _in_parquet(copy: Copy, split: str) -> DataSetCopy | None:
    """Reads Hugging Face's two files, which are not splits here."""
    named = class_by_folder(fine_names())
    found = parquet.all_together(copy, SIDE, named, list(fine_names()), copy.corrupt)
    classes = tuple(_class(name, split, count, read) for name, count, read in found)
    return copy.source("Parquet", classes) if classes else None


def _in_folders(copy: Copy, split: str) -> DataSetCopy | None:
    groups = by_paths(copy, class_by_folder(fine_names()), read_split(split), halves=True)
    read = partial(decode, copy.files, side=SIDE, mode="RGB", corrupt=copy.corrupt)
    classes = (SourceClass(name, s, len(names), partial(read, names=names)) for (s, name), names in groups.items())
    return copy.source("a folder per class", classes) if groups else None
