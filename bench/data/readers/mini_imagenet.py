"""miniImageNet (Vinyals et al. 2016), in the split of Ravi and Larochelle (2017), in every form in which it is
distributed.

All forms have 84 x 84 RGB images, except images in their original sizes, which are resized here as in the paper's
code."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.data.images import DataSetCopy, SourceClass
from bench.data.readers import labelled_arrays, parquet
from bench.data.readers.copies import Copy, Groups, open_copies
from bench.data.readers.image_classes import by_paths, by_tables, class_by_folder
from bench.data.readers.image_files import decode, exactly, shrunk
from bench.data.readers.masks import without_masks
from bench.data.readers.probes import are_of_own_sizes
from bench.data.readers.refusals import unknown_form_error
from bench.data.splits import read_split

SIDE, PER_CLASS = 84, 600
WNID_LETTERS = 9  # file names begin with the class: n0153282900000005.jpg
RESIZED = (
    "resized here from the original sizes to 84x84 by Pillow's LANCZOS, as the paper's proc_images.py does, but "
    "not saved as JPEG again: not identical to the common copy"
)


def open_source(path: Path, keep_going: bool) -> DataSetCopy:
    """Reads a user's copy. Raises UserError if it is not one, or damaged; with `keep_going`, broken images are only
    noted."""
    for copy in open_copies(path, keep_going):
        for read in (_in_arrays, _in_tables, _in_folders, _in_parquet):
            if source := read(copy):
                copy.note_unread()
                return source
    raise unknown_form_error(copy, "miniImageNet", "mini-imagenet")


def _in_arrays(copy: Copy) -> DataSetCopy | None:
    """Reads each split separately: torchmeta's HDF5 if it exists, otherwise the pickle."""
    hdf5 = labelled_arrays.by_split(copy, labelled_arrays.HDF5, but=())
    pickles = labelled_arrays.by_split(copy, *labelled_arrays.PICKLES)
    kinds = [kind for kind, found in (("HDF5 of torchmeta", hdf5), ("pickles", pickles)) if found]
    classes: list[SourceClass] = []
    for split, path in (pickles | hdf5).items():
        if split in hdf5:
            classes += labelled_arrays.in_hdf5(split, path, SIDE)
        else:
            classes += labelled_arrays.in_pickle(split, path, SIDE, {}, copy.notes)
    return copy.source(" and ".join(kinds), classes) if kinds else None


def _class_of() -> Callable[[str], str | None]:
    return class_by_folder({name: name for name in read_split("mini_imagenet")}, WNID_LETTERS)


def _in_tables(copy: Copy) -> DataSetCopy | None:
    return _of_images(copy, "tables and image files", by_tables(copy, _class_of()))


def _in_folders(copy: Copy) -> DataSetCopy | None:
    groups = by_paths(copy, _class_of(), read_split("mini_imagenet"))
    return _of_images(copy, "image files by the names of their classes", groups)


def _of_images(copy: Copy, kind: str, groups: Groups) -> DataSetCopy | None:
    if not groups:
        return None
    groups = without_masks(copy, groups)
    own_sizes = are_of_own_sizes(copy, groups, SIDE)
    read = partial(
        decode, copy.files, side=SIDE, mode="RGB", corrupt=copy.corrupt, reader=shrunk if own_sizes else exactly
    )
    copy.notes += [RESIZED] if own_sizes else []
    found = (
        SourceClass(name, split, len(names), partial(read, names=names)) for (split, name), names in groups.items()
    )
    return copy.source(kind, found)


def _in_parquet(copy: Copy) -> DataSetCopy | None:
    found = tuple(parquet.classes(copy, SIDE, _class_of(), copy.corrupt))
    return copy.source("Parquet", found) if found else None
