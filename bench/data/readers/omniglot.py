"""A user's copy of Omniglot; ink is 255 and paper 0, as in `bench.data.embedded_omniglot`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from bench.data.embedded_omniglot import SIDE, class_of
from bench.data.images import DataSetCopy, SourceClass
from bench.data.readers.copies import Copy, open_copies
from bench.data.readers.hdf5 import arrays, count_of, open_hdf5, read_array
from bench.data.readers.image_files import decode
from bench.data.readers.probes import check_size
from bench.data.readers.recognised import check_other
from bench.data.readers.refusals import unknown_form_error
from bench.data.splits import read_split
from bench.errors import UserError, quantity

GROUPS = ("images_background", "images_evaluation")
HDF5, PNG = "data.hdf5", (".png",)
NOT_NEEDED = "Omniglot need not be added, it is included: `run --benchmark omniglot-5w1s` finds it; "
TURNED = "ink and paper were swapped in it, and have been swapped back"


def open_source(path: Path, keep_going: bool) -> DataSetCopy:
    """Reads a user's copy. Raises UserError if it is not one, or damaged; with `keep_going`, broken images are only
    noted."""
    for copy in open_copies(path, keep_going):
        if hdf5 := _hdf5_in(copy):
            return copy.source("HDF5 of torchmeta", _in_hdf5(hdf5, copy.notes))
        pngs = copy.with_suffix(*PNG)
        if found := tuple(characters_in(pngs, copy.corrupt, copy.files, copy.notes)):
            check_size(copy, pngs[0], SIDE, NOT_NEEDED)
            left = len(pngs) - sum(c.count for c in found)
            copy.notes += [f"left out: {quantity(left, 'drawing')} in neither group"] if left else []
            copy.notes += [f"{group} is missing" for group in GROUPS if not any(group in c.name for c in found)]
            return copy.source("PNG files", found)
    raise unknown_form_error(copy, "Omniglot", "omniglot", NOT_NEEDED)


def _hdf5_in(copy: Copy) -> Path | None:
    if copy.path.name == HDF5:
        return copy.path
    return next((path for name, path in copy.paths(HDF5).items() if path.name == HDF5), None)


def _in_hdf5(path: Path, notes: list[str]) -> Iterator[SourceClass]:
    found = [(_with_group(name), array) for name, array in arrays(path, open_hdf5(path))]
    check_other([name.rpartition("/")[2] for name, _ in found], "omniglot", path.parent)
    for name, array in found:
        count = count_of(path, name, array, (SIDE, SIDE))
        yield class_of(name, count, partial(_ink_in_hdf5, path, name, array, notes))


def _ink_in_hdf5(path: Path, name: str, array: Any, notes: list[str]) -> np.ndarray:
    return _ink(read_array(path, array)[..., None], f"{path}: {name}", notes)


def _with_group(name: str) -> str:
    """The name of a character in a file, with the group of its alphabet, which may lack."""
    group = _groups().get(name.split("/")[0])
    return f"{group}/{name}" if group else name


@cache
def _groups() -> dict[str, str]:
    """Alphabet -> its group; no alphabet is in both."""
    return {name.split("/")[1]: name.split("/")[0] for name in read_split("omniglot")}


def characters_in(
    names: Iterable[str], corrupt: list[str] | None, files: Mapping[str, bytes], notes: list[str]
) -> Iterator[SourceClass]:
    """The classes in PNG files whose paths end in alphabet/character/file; `corrupt` as in `decode`, `notes` as in
    `DataSetCopy`."""
    by_character = defaultdict(list)
    for name in sorted(names):
        *_, above, alphabet, character, _file = "", "", "", *PurePosixPath(name).parts
        group = _groups().get(alphabet)
        if group and (above in GROUPS or not above.startswith("images_")):  # but not `images_background_small1`
            by_character[f"{group}/{alphabet}/{character}"].append(name)
    for character, listed in by_character.items():
        yield class_of(character, len(listed), partial(_ink_in_files, files, listed, corrupt, notes))


def _ink_in_files(
    files: Mapping[str, bytes], names: list[str], corrupt: list[str] | None, notes: list[str]
) -> np.ndarray:
    return _ink(255 - decode(files, names, SIDE, "L", corrupt), names[0], notes)


def _ink(images: np.ndarray, where: str, notes: list[str]) -> np.ndarray:
    """The drawings with ink 255. Ink is a small part of a drawing, so images that are mostly 255 are inverted. Raises
    UserError for more than two values."""
    if images.size and images.max() == 1:
        images = images * np.uint8(255)
    if not np.isin(images, (0, 255)).all():
        raise UserError(
            f"{where}: grey pixels, but Omniglot's drawings are black and white: use the original files "
            f"({NOT_NEEDED.rstrip('; ')})"
        )
    if images.mean() > 255 / 2:
        notes.append(TURNED)
        return 255 - images
    return images
