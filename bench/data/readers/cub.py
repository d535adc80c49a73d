"""CUB-200-2011 (Wah et al. 2011), split as in Chen et al. (2019), from torchmeta's files or the original ones.

The photographs have any size. There is no agreed way to resize them: here the centre square is resized to 84 x 84."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath

from bench.data.images import DataSetCopy, SourceClass
from bench.data.readers import labelled_arrays
from bench.data.readers.class_lists import class_splits
from bench.data.readers.copies import IMAGES, Copy, Groups, open_copies
from bench.data.readers.image_classes import by_paths, class_by_folder
from bench.data.readers.image_files import decode, decode_to_fit
from bench.data.readers.refusals import unknown_form_error
from bench.data.readers.torchmeta import image_files
from bench.data.splits import read_split
from bench.errors import UserError, command_line

SIDE, PER_CLASS, TOTAL = 84, (41, 60), 11_788
NOT_ORIGINAL = "some copies are cropped to the birds' bounding boxes; whether this one is could not be checked"
SPLIT = "split as Chen et al. (2019) have it, 100/50/50 classes"


def open_source(path: Path, keep_going: bool) -> DataSetCopy:
    """Reads a user's copy. Raises UserError if it is not one, or damaged; with `keep_going`, broken images are only
    noted."""
    for copy in open_copies(path, keep_going):
        if hdf5 := labelled_arrays.by_split(copy, labelled_arrays.HDF5, but=()):
            found = image_files("cub", hdf5, SIDE, copy.corrupt, decode_to_fit)
            return copy.source("HDF5 of torchmeta", found)
        suffixes = (".jpg",) if copy.with_suffix(".jpg") else IMAGES  # PNG files beside them are segmentations
        birds = by_paths(copy, class_by_folder(_class_names()), read_split("cub"), suffixes)
        _check_split(copy, birds)
        if birds:
            copy.note_unread()
            copy.notes += [] if _is_original(birds) else [NOT_ORIGINAL]
            found = _in_files(copy.files, birds, copy.corrupt)
            return copy.source(f"original files, {SPLIT}", found)
    raise unknown_form_error(copy, "CUB-200-2011", "cub")


def _class_names() -> dict[str, str]:
    """A bird's folder -> its class, with or without its number."""
    return {called: name for name in read_split("cub") for called in (name, name.partition(".")[2])}


def _is_original(birds: Groups) -> bool:
    """Whether the photographs are in `images/CLASS/`, as the authors distribute them."""
    return all(PurePosixPath("x", name).parts[-3] in ("images", "x") for names in birds.values() for name in names[:1])


def _check_split(copy: Copy, birds: Groups) -> None:
    """Raises UserError if the copy is known to be in another split than the one here."""
    ours = read_split("cub")
    listed = class_splits(copy)
    other = [bird for bird, split in listed.items() if bird in ours and ours[bird] != split]
    keep = f"to keep its split, use `{command_line('data', 'add', 'folder', copy.path, '--name', 'birds')}`"
    if other:
        raise UserError(
            f"{copy.path}: its classes are split differently ({other[0]} is in {listed[other[0]]}, here in "
            f"{ours[other[0]]}, and {len(other) - 1} more): {keep}; for the split here (Chen et al. 2019), give "
            "CUB_200_2011 as its authors distribute it, without these tables or folders"
        )
    if birds and any(
        "cubirds200" in part for part in (*copy.path.parts[-1:], *next(iter(birds.values()))[0].split("/"))
    ):
        raise UserError(
            f"{copy.path}: cubirds200 is learn2learn's folder, and its split (140/30/30 classes, in its code) is not "
            "the one here (Chen et al. 2019, 100/50/50): for the split here, give the folder CUB_200_2011 inside it"
        )


def _in_files(files: Mapping[str, bytes], birds: Groups, corrupt: list[str] | None) -> Iterator[SourceClass]:
    for (split, bird), names in birds.items():
        read = partial(decode, files, names, SIDE, "RGB", corrupt, decode_to_fit)
        yield SourceClass(bird, split, len(names), read)
