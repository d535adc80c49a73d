"""Omniglot (Lake, Salakhutdinov and Tenenbaum 2015): the embedded copy, and a user's own.

The drawings are 105 x 105 bits; here ink is 255 and paper 0.
"""

from __future__ import annotations

import json
import lzma
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from bench.data.images import Source, SourceClass
from bench.data.readers.copies import Copy, open_copies
from bench.data.readers.hdf5 import arrays, count_of, open_hdf5, read_array
from bench.data.readers.image_files import decode
from bench.data.readers.probes import check_size
from bench.data.readers.refusals import refused
from bench.data.splits import read_split
from bench.errors import UserError

EMBEDDED = Path(__file__).parents[1] / "omniglot.xz"
GROUPS = ("images_background", "images_evaluation")
HDF5, PNG = "data.hdf5", (".png",)
DRAWINGS, SIDE, RESIZED = 20, 105, 28
_SCALED = 32  # int(28 * 1.15)
NOT_NEEDED = (
    "there is no need to add it: Omniglot comes with this project, and `run --benchmark omniglot-5w1s` finds it; "
)
TURNED = "ink and paper were exchanged in it, and have been turned back"


def resize_nearest(images: np.ndarray) -> np.ndarray:
    """[n, 105, 105, 1] -> [n, 28, 28, 1], the pixels that Pillow's NEAREST takes: all that it does to 1-bit images."""
    index = (2 * np.arange(RESIZED) + 1) * SIDE // (2 * RESIZED)
    return images[:, index[:, None], index]


def resize_lanczos(images: np.ndarray) -> np.ndarray:
    """[n, 105, 105, 1] -> [n, 28, 28, 1] in grey, by Pillow's LANCZOS."""
    return _resized(images, RESIZED, Image.Resampling.LANCZOS)


def resize_bilinear_crop(images: np.ndarray) -> np.ndarray:
    """[n, 105, 105, 1] -> [n, 28, 28, 1] in grey: the middle of 32 x 32 by Pillow's BILINEAR (Chen et al. 2019, code:
    torchvision's Scale and CenterCrop in data/datamgr.py)."""
    edge = (_SCALED - RESIZED) // 2
    return _resized(images, _SCALED, Image.Resampling.BILINEAR)[:, edge:-edge, edge:-edge]


def _resized(images: np.ndarray, side: int, resampling: Image.Resampling) -> np.ndarray:
    """[n, 105, 105, 1] -> [n, side, side, 1]. Pillow does the rows and then the columns: so can all images at once,
    one below the other and then side by side."""
    n = len(images)
    below = Image.fromarray(images.reshape(n * SIDE, SIDE)).resize((side, n * SIDE), resampling)
    beside = np.asarray(below).reshape(n, SIDE, side).transpose(1, 0, 2).reshape(SIDE, n * side)
    resized = Image.fromarray(beside).resize((n * side, side), resampling)
    return np.asarray(resized).reshape(side, n, side).transpose(1, 0, 2)[..., None]


def pack(characters: Mapping[str, np.ndarray]) -> bytes:
    """The packed form of all drawings, uint8 [20, 105, 105, 1] by character.

    A line of JSON, then per drawing 14 columns of 105 bytes of 8 bits: strokes make xz find more in columns.
    """
    names = sorted(characters)
    bits = [np.packbits(characters[name][..., 0] > 0, axis=2).transpose(0, 2, 1).tobytes() for name in names]
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]
    return lzma.compress(json.dumps(names).encode() + b"\n" + b"".join(bits), filters=filters)


def unpack(packed: bytes) -> dict[str, np.ndarray]:
    """What `pack` packed, but each still in bits: uint8 [20, 14, 105] by character. `drawings` makes images of it."""
    names, _, bits = lzma.decompress(packed).partition(b"\n")
    columns = np.frombuffer(bits, np.uint8).reshape(-1, DRAWINGS, (SIDE + 7) // 8, SIDE)
    return dict(zip(json.loads(names), columns, strict=True))


def drawings(columns: np.ndarray) -> np.ndarray:
    """uint8 [20, 105, 105, 1], ink 255, of one character's bits."""
    return np.unpackbits(columns.transpose(0, 2, 1), axis=2, count=SIDE)[..., None] * np.uint8(255)


def embedded() -> Source:
    """All of Omniglot, out of the file beside this one. Raises UserError where that is damaged."""
    try:
        packed = unpack(EMBEDDED.read_bytes())
    except (OSError, EOFError, ValueError, lzma.LZMAError) as error:
        raise UserError(f"{EMBEDDED}: missing or damaged: `git checkout` it, or install the project again") from error
    return Source(
        EMBEDDED, "embedded", tuple(_character(name, DRAWINGS, partial(drawings, packed[name])) for name in packed)
    )


def open_source(path: Path, keep_going: bool) -> Source:
    """A user's copy. Raises UserError where it is none, or damaged; `keep_going`: broken images are only noted."""
    for copy in open_copies(path, keep_going):
        if hdf5 := _hdf5_in(copy):
            return copy.source("HDF5 of torchmeta", _in_hdf5(hdf5, copy.notes))
        pngs = copy.with_suffix(*PNG)
        if found := tuple(characters_in(pngs, copy.corrupt, copy.files, copy.notes)):
            check_size(copy, pngs[0], SIDE, NOT_NEEDED)
            left = len(pngs) - sum(c.count for c in found)
            copy.notes += [f"left out: {left} drawings that stand in neither group"] if left else []
            copy.notes += [f"{group} is not there" for group in GROUPS if not any(group in c.name for c in found)]
            return copy.source("PNG files", found)
    raise refused(copy, "Omniglot", "omniglot", NOT_NEEDED)


def _character(name: str, count: int, read: Callable[[], np.ndarray]) -> SourceClass:
    return SourceClass(name, read_split("omniglot").get(name, "unknown"), count, read)


def _hdf5_in(copy: Copy) -> Path | None:
    if copy.path.name == HDF5:
        return copy.path
    return next((path for name, path in copy.paths(HDF5).items() if path.name == HDF5), None)


def _in_hdf5(path: Path, notes: list[str]) -> Iterator[SourceClass]:
    for name, array in arrays(path, open_hdf5(path), depth=3):
        count = count_of(path, name, array, (SIDE, SIDE))
        yield _character(name, count, partial(_ink_in_hdf5, path, name, array, notes))


def _ink_in_hdf5(path: Path, name: str, array: Any, notes: list[str]) -> np.ndarray:
    return _ink(read_array(path, array)[..., None], f"{path}: {name}", notes)


@cache
def _groups() -> dict[str, str]:
    """Alphabet -> the group that it stands in: no alphabet is in both."""
    return {name.split("/")[1]: name.split("/")[0] for name in read_split("omniglot")}


def characters_in(
    names: Iterable[str], corrupt: list[str] | None, files: Mapping[str, bytes], notes: list[str]
) -> Iterator[SourceClass]:
    """The classes in PNG files by path, which ends in alphabet/character/file; `corrupt` as in `decode`, and `notes` as
    in a `Source`."""
    by_character = defaultdict(list)
    for name in sorted(names):
        *_, above, alphabet, character, _file = "", "", "", *PurePosixPath(name).parts
        group = _groups().get(alphabet)
        if group and (above in GROUPS or not above.startswith("images_")):  # `images_background_small1` is neither
            by_character[f"{group}/{alphabet}/{character}"].append(name)
    for character, listed in by_character.items():
        yield _character(character, len(listed), partial(_ink_in_files, files, listed, corrupt, notes))


def _ink_in_files(
    files: Mapping[str, bytes], names: list[str], corrupt: list[str] | None, notes: list[str]
) -> np.ndarray:
    return _ink(255 - decode(files, names, SIDE, "L", corrupt), names[0], notes)


def _ink(images: np.ndarray, where: str, notes: list[str]) -> np.ndarray:
    """The drawings with ink 255: ink is a small share of a drawing, so what is mostly ink was turned, and is turned
    back. Raises UserError where there are more than two values."""
    if images.size and images.max() == 1:
        images = images * np.uint8(255)
    if not np.isin(images, (0, 255)).all():
        raise UserError(
            f"{where}: grey pixels, but Omniglot's drawings are black and white: use the original files ({NOT_NEEDED})"
        )
    if images.mean() > 255 / 2:
        notes.append(TURNED)
        return 255 - images
    return images
