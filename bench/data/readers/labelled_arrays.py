"""Arrays of images with labels: `{data, labels, catname2label}` in pickles (Gidaris & Komodakis 2018, MetaOptNet, RFS),
`{image_data, class_dict}` (few-shot-ssl, learn2learn, torchmeta), and torchmeta's HDF5; one file per split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from bench.data.images import SourceClass
from bench.data.readers.copies import Copy
from bench.data.readers.hdf5 import count_of, read_array
from bench.data.readers.plain_pickles import load_plain
from bench.data.readers.split_names import as_splits, is_phase
from bench.data.readers.torchmeta import read_labelled
from bench.data.splits import some
from bench.errors import UserError, quantity
from bench.protocols.benchmarks import SPLITS

PICKLES, HDF5 = (".pkl", ".pickle"), "_data.hdf5"
# Pickles without both images and labels, and EGNN's, whose classes have no names.
BESIDE = ("bookkeeping", "_labels", "_images", "mini_imagenet_")


def by_split(copy: Copy, *suffixes: str, but: Sequence[str] = BESIDE) -> dict[str, Path]:
    """Split -> file, for the files with these suffixes whose names contain a split. If several match a split, the one
    from the largest family is used: files in one folder whose names differ only in the split."""
    files = {n: p for n, p in copy.paths(*suffixes).items() if not any(part in n.lower() for part in but)}
    families: dict[str, dict[str, str]] = {}
    for name in files:
        families.setdefault(str(PurePosixPath(name).parent), {})[PurePosixPath(name).stem] = name
    _note_phases(copy, [name for name in files if is_phase(PurePosixPath(name).stem)])
    found: dict[str, str] = {}
    for folder in sorted(families, key=lambda folder: (len(PurePosixPath(folder).parts), folder)):
        for stem, split in as_splits(sorted(families[folder])).items():
            found.setdefault(split, families[folder][stem])
    copy.used.update(name.replace(HDF5, "_labels.json") for name in found.values())
    copy.used.update(found.values())
    return {split: files[found[split]] for split in SPLITS if split in found}


def _note_phases(copy: Copy, names: Sequence[str]) -> None:
    if names and not copy.used.issuperset(names):
        copy.used.update(names)
        copy.notes.append(f"left out: {some(names)}: other images of the training classes")


def in_hdf5(split: str, path: Path, side: int) -> Iterator[SourceClass]:
    """The classes in one of torchmeta's files of decoded images, of miniImageNet."""
    for name, array in read_labelled("mini-imagenet", path):
        yield SourceClass(name, split, count_of(path, name, array, (side, side, 3)), partial(read_array, path, array))


def in_pickle(split: str, path: Path, side: int, names: Mapping[int, str], notes: list[str]) -> Iterator[SourceClass]:
    """The classes in a pickle; `names`: of the labels, if the file has none. Raises UserError if it has another form,
    or an image is in two classes."""
    content = load_plain(path)
    if isinstance(content, dict) and isinstance(content.get("class_dict"), dict):
        images = as_images(path, "image_data", content.get("image_data"), side)
        indices = {str(n): _indices(i, len(images), f"{path}: {n}") for n, i in content["class_dict"].items()}
    elif isinstance(content, dict) and {"data", "labels"} <= content.keys():
        images = as_images(path, "data", content["data"], side)
        indices = by_label(path, content["labels"], len(images), _names(content) or names)
    else:
        raise UserError(f"{path}: no dictionary of image_data and class_dict, or of data and labels{_what(content)}")
    _check_partition(path, indices, len(images), notes)
    return (SourceClass(n, split, len(i), partial(images.__getitem__, i)) for n, i in indices.items())


def as_images(path: Path, name: str, images: Any, side: int) -> np.ndarray:
    """uint8 [n, side, side, 3]; channels first are moved last. Raises UserError for another shape."""
    shape: tuple[int, ...] = getattr(images, "shape", ())
    if len(shape) == 4 and shape[1] == 3 and shape[2:] == (side, side):
        images = images.transpose(0, 2, 3, 1)
    count_of(path, name, images, (side, side, 3))
    return images


def by_label(path: Path, listed: Any, images: int, names: Mapping[int, str]) -> dict[str, np.ndarray]:
    """Class -> indices of its images. Raises UserError if the numbers of labels and images differ, a label has no
    name, or two have the same."""
    labels = whole_numbers(listed)
    if labels is None and isinstance(listed, list) and all(isinstance(each, str | bytes) for each in listed):
        called = sorted({_text(each) for each in listed})
        labels, names = np.searchsorted(called, [_text(each) for each in listed]), dict(enumerate(called))
    if labels is None or len(labels) != images:
        raise UserError(
            f"{path}: {_count(labels)} labels for {images} images: they do not belong together: get both again"
        )
    present = np.unique(labels).tolist()
    if lost := [k for k in present if k not in names]:
        raise UserError(
            f"{path}: {len(lost)} labels ({some(list(map(str, lost)))}) have no name in it (catname2label), so it is "
            "unknown which classes they are: use a copy that has the names"
        )
    if len({names[k] for k in present}) < len(present):
        raise UserError(
            f"{path}: two of its labels have one name, so it is unknown which images belong together: use another copy"
        )
    return {names[k]: np.flatnonzero(labels == k) for k in present}


def whole_numbers(listed: Any) -> np.ndarray | None:
    """The list or array [n] as int64; None for anything else, because nested data could grow without bound."""
    plain = isinstance(listed, np.ndarray) or (type(listed) in (list, tuple) and all(type(i) is int for i in listed))
    try:
        numbers = (
            np.asarray(listed, np.int64 if plain and not isinstance(listed, np.ndarray) else None) if plain else None
        )
    except OverflowError:
        return None
    return numbers if numbers is not None and numbers.ndim == 1 and numbers.dtype.kind in "ui" else None


def _text(name: str | bytes) -> str:
    return name.decode("latin1") if isinstance(name, bytes) else name


def _count(labels: np.ndarray | None) -> str:
    return "no" if labels is None else str(len(labels))


def _names(content: Mapping[Any, Any]) -> dict[int, str]:
    """Label -> name, from `catname2label` or else `label2catname`."""
    forward, back = content.get("catname2label"), content.get("label2catname")
    if isinstance(forward, dict) and all(type(k) is int for k in forward.values()):
        return {k: str(name) for name, k in forward.items()}
    back = dict(enumerate(back)) if isinstance(back, list) else back
    return {k: str(name) for k, name in back.items()} if isinstance(back, dict) else {}


def _indices(listed: Any, images: int, where: str) -> np.ndarray:
    indices = whole_numbers(listed)
    if indices is None or not ((indices >= 0) & (indices < images)).all():
        raise UserError(f"{where}: its indices are not a list of numbers from 0 to {images - 1}: get the file again")
    return indices


def _check_partition(path: Path, indices: Mapping[str, np.ndarray], images: int, notes: list[str]) -> None:
    """Raises UserError if an image is in two classes, or twice in one; notes images in no class."""
    owner: dict[int, str] = {}
    for name, listed in indices.items():
        for k in listed.tolist():
            if k in owner:
                raise UserError(
                    f"{path}: image {k} is in {owner[k]} and in {name}, but every image has one class, so the file is "
                    "damaged: get it again"
                )
            owner[k] = name
    if len(owner) < images:
        notes.append(f"left out: {quantity(images - len(owner), 'image')} of {path.name} in no class")


def _what(content: Any) -> str:
    if isinstance(content, dict) and content and all(type(key) is int for key in content):
        return (
            f": {len(content)} classes named by number, as few-shot-gnn and EGNN write them: which class is meant "
            "cannot be recovered: use a copy that has the names (mini-imagenet-cache-*.pkl or images with tables)"
        )
    keys = (
        some([repr(key)[:30] for key in content]) if isinstance(content, dict) and content else type(content).__name__
    )
    return f", but {keys}: use a copy in one of the accepted forms"
