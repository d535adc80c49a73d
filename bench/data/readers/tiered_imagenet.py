"""tieredImageNet (Ren et al. 2018), in the forms in which it is distributed; its files define the split of each class,
and all images are 84 x 84 RGB."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.images import DataSetCopy, SourceClass
from bench.data.readers import labelled_arrays
from bench.data.readers.copies import IMAGES, Copy, Groups, open_copies
from bench.data.readers.image_classes import by_paths, class_by_folder
from bench.data.readers.image_files import decode, exactly
from bench.data.readers.npz import read_npz
from bench.data.readers.own_tables import in_class_lists, in_split_tables
from bench.data.readers.plain_pickles import load_plain
from bench.data.readers.probes import check_size
from bench.data.readers.recognised import WNID, this_is, tiered_imagenet
from bench.data.readers.refusals import unknown_form_error
from bench.data.readers.torchmeta import image_files
from bench.data.splits import check_belongs, some
from bench.errors import UserError

SIDE = 84
CLASSES = {"train": 351, "valid": 97, "test": 160}
TOTALS = {"train": 448_695, "valid": 124_261, "test": 206_209}  # images (Ren et al. 2018), 779,165 in all
OWN_SIZES = (
    "resize them as its authors do, cv2.resize(image, (84, 84), interpolation=cv2.INTER_CUBIC), and save them as PNG"
)
UNNAMED_CLASS = r"(train|valid|test) [0-9]{3,}"  # the names given here to classes that have only numbers
ELSE = "add it as `folder`, one folder per class (torchmeta's doublemnist and triplemnist have this form too)"
UNNAMED = "the classes are named by their numbers, because the copy does not have their names"
TURNED = "channels reordered from blue, green, red: MetaOptNet's files have that order, though they do not say so"


def open_source(path: Path, keep_going: bool) -> DataSetCopy:
    """Reads a user's copy. Raises UserError if it is not one, or damaged; with `keep_going`, broken images are only
    noted."""
    for copy in open_copies(path, keep_going):
        for read in (_in_hdf5, _in_pickles, _in_npz, _in_folders):
            if source := read(copy):
                _check_names(copy, source.classes)
                copy.note_unread()
                return source
    raise unknown_form_error(copy, "tieredImageNet", "tiered-imagenet")


def _check_names(copy: Copy, classes: Sequence[SourceClass]) -> None:
    """Raises UserError if these are not the classes of tieredImageNet, or not in its split. Only known words are
    checked, because an author's file may spell some differently."""
    named = [c for c in classes if not re.fullmatch(UNNAMED_CLASS, c.name)]
    known = [c for c in named if c.name in tiered_imagenet()]
    unknown = [c.name for c in named if c.name not in tiered_imagenet()]
    if unknown and (2 * len(known) < len(named) or any(map(WNID.fullmatch, unknown))):
        raise UserError(
            f"{copy.path}: {len(unknown)} of {len(named)} classes ({some(unknown)}) are not in tieredImageNet: "
            f"{this_is([c.name for c in named], copy.path) or ELSE}"
        )
    check_belongs(known, tiered_imagenet(), None, str(copy.path))
    copy.notes += [f"unknown class names: {some(unknown)} ({len(unknown)} classes)"] if unknown else []


def _in_hdf5(copy: Copy) -> DataSetCopy | None:
    files = labelled_arrays.by_split(copy, labelled_arrays.HDF5, but=())
    classes = image_files("tiered-imagenet", files, SIDE, copy.corrupt, exactly)
    return copy.source("HDF5 of torchmeta", classes) if files else None


def _in_pickles(copy: Copy) -> DataSetCopy | None:
    files = labelled_arrays.by_split(copy, "_images_png.pkl", but=())
    classes = (c for split, path in files.items() for c in _in_pickle(copy, split, path))
    return copy.source("original pickles", classes) if files else None


def _in_pickle(copy: Copy, split: str, path: Path) -> Iterator[SourceClass]:
    images, (labels, names) = (
        load_plain(path),
        _labels(copy, split, path.with_name(path.name.replace("images_png", "labels"))),
    )
    if not isinstance(images, list) or len(images) != len(labels):
        raise UserError(
            f"{path}: it is not a list of as many images as there are labels ({len(labels)}): get both files again"
        )
    for label, name in names.items():
        indices = np.flatnonzero(labels == label)
        yield SourceClass(name, split, len(indices), partial(_decode, path, images, indices, copy.corrupt))


def _in_npz(copy: Copy) -> DataSetCopy | None:
    files = labelled_arrays.by_split(copy, "_images.npz", but=())
    classes = (c for split, path in files.items() for c in _in_array(copy, split, path))
    return copy.source("NumPy arrays of MetaOptNet", classes) if files else None


def _in_array(copy: Copy, split: str, path: Path) -> Iterator[SourceClass]:
    images = labelled_arrays.as_images(path, "images", read_npz(path, "images"), SIDE)[..., ::-1]
    labels, names = _labels(copy, split, path.with_name(path.name.replace("images.npz", "labels.pkl")))
    copy.notes.append(TURNED)
    found = labelled_arrays.by_label(path, labels, len(images), names)
    return (SourceClass(n, split, len(i), partial(images.__getitem__, i)) for n, i in found.items())


def _in_folders(copy: Copy) -> DataSetCopy | None:
    named = class_by_folder({name: name for name in tiered_imagenet()})
    groups = by_paths(copy, named, tiered_imagenet()) or _listed_classes(copy)
    for names in [*groups.values()][:1]:
        check_size(copy, names[0], SIDE, OWN_SIZES)
    read = partial(decode, copy.files, side=SIDE, mode="RGB", corrupt=copy.corrupt)
    classes = (
        SourceClass(name, split, len(names), partial(read, names=names)) for (split, name), names in groups.items()
    )
    return copy.source("a folder per class", classes) if groups else None


def _listed_classes(copy: Copy) -> Groups:
    """The classes in easyfsl's lists or SimpleShot's tables, where they are named by numbers."""
    images = copy.with_suffix(*IMAGES)
    found = in_class_lists(copy, images)[0] or in_split_tables(copy, images)[0]
    copy.notes += [UNNAMED] if found and all(each.name.isdecimal() for each in found) else []
    return {(str(e.split), f"{e.split} {int(e.name):03}" if e.name.isdecimal() else e.name): e.files for e in found}


def _labels(copy: Copy, split: str, path: Path) -> tuple[np.ndarray, dict[int, str]]:
    """The label of every image, and the name of every label: its number, if the file has no names."""
    content = load_plain(path)
    copy.use(path)
    try:
        listed = content["label_specific"] if "label_specific" in content else content["labels"]
        labels, names = np.asarray(listed, np.int64), content.get("label_specific_str")
        if labels.ndim != 1 or (labels < 0).any() or (names is not None and (labels >= len(names)).any()):
            raise ValueError("labels without a name")
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise UserError(
            f"{path}: not the labels of tieredImageNet ({str(error).splitlines()[0]}): get it again"
        ) from error
    if names is None:
        copy.notes.append(UNNAMED)
        return labels, {k: f"{split} {k:03}" for k in np.unique(labels).tolist()}
    return labels, dict(enumerate(map(_text, names)))


def _text(name: Any) -> str:
    return name.decode("latin1") if isinstance(name, bytes) else str(name)


def _file(image: Any) -> bytes:
    """An image file, as an array of its bytes, as bytes, or as the text that Python 2 wrote; empty for anything
    else."""
    if isinstance(image, np.ndarray):
        return image.astype(np.uint8).tobytes()
    return image.encode("latin1", "replace") if isinstance(image, str) else image if isinstance(image, bytes) else b""


def _decode(path: Path, images: Sequence[Any], indices: np.ndarray, corrupt: list[str] | None) -> np.ndarray:
    files = {f"{path.name}: {index}": _file(images[index]) for index in indices}
    return decode(files, list(files), SIDE, "RGB", corrupt, exactly)
