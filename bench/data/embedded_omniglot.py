"""Omniglot (Lake, Salakhutdinov and Tenenbaum 2015), which is part of this project, and how it is resized.

The drawings have 105 x 105 bits; here ink is 255 and paper 0."""

from __future__ import annotations

import json
import lzma
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from bench.data.images import DataSetCopy, SourceClass
from bench.data.splits import read_split
from bench.errors import UserError

EMBEDDED = Path(__file__).with_name("omniglot.xz")
DRAWINGS, SIDE, RESIZED = 20, 105, 28
_SCALED = 32  # int(28 * 1.15)


def resize_nearest(images: np.ndarray) -> np.ndarray:
    """[n, 105, 105, 1] -> [n, 28, 28, 1], the pixels that Pillow's NEAREST selects, which it uses for any resizing of
    1-bit images."""
    index = (2 * np.arange(RESIZED) + 1) * SIDE // (2 * RESIZED)
    return images[:, index[:, None], index]


def resize_lanczos(images: np.ndarray) -> np.ndarray:
    """[n, 105, 105, 1] -> [n, 28, 28, 1] in grey, by Pillow's LANCZOS."""
    return _resize(images, RESIZED, Image.Resampling.LANCZOS)


def resize_bilinear_crop(images: np.ndarray) -> np.ndarray:
    """[n, 105, 105, 1] -> [n, 28, 28, 1] in grey: the centre of 32 x 32 by Pillow's BILINEAR (Chen et al. 2019, code:
    torchvision's Scale and CenterCrop in data/datamgr.py)."""
    edge = (_SCALED - RESIZED) // 2
    return _resize(images, _SCALED, Image.Resampling.BILINEAR)[:, edge:-edge, edge:-edge]


def _resize(images: np.ndarray, side: int, resampling: Image.Resampling) -> np.ndarray:
    """[n, 105, 105, 1] -> [n, side, side, 1]. Pillow resizes rows and columns separately, so all images can be resized
    at once, first stacked vertically and then side by side."""
    n = len(images)
    below = Image.fromarray(images.reshape(n * SIDE, SIDE)).resize((side, n * SIDE), resampling)
    beside = np.asarray(below).reshape(n, SIDE, side).transpose(1, 0, 2).reshape(SIDE, n * side)
    resized = Image.fromarray(beside).resize((n * side, side), resampling)
    return np.asarray(resized).reshape(side, n, side).transpose(1, 0, 2)[..., None]


FORMS = {"nearest": resize_nearest, "lanczos": resize_lanczos, "bilinear-crop": resize_bilinear_crop}


def pack(characters: Mapping[str, np.ndarray]) -> bytes:
    """The packed form of all drawings, uint8 [20, 105, 105, 1] by character.

    A line of JSON, then per drawing 14 columns of 105 bytes: xz compresses strokes better in columns."""
    names = sorted(characters)
    bits = [np.packbits(characters[name][..., 0] > 0, axis=2).transpose(0, 2, 1).tobytes() for name in names]
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]
    return lzma.compress(json.dumps(names).encode() + b"\n" + b"".join(bits), filters=filters)


def unpack(packed: bytes) -> dict[str, np.ndarray]:
    """The content that `pack` packed, still as bits: uint8 [20, 14, 105] by character; see `drawings`."""
    names, _, bits = lzma.decompress(packed).partition(b"\n")
    columns = np.frombuffer(bits, np.uint8).reshape(-1, DRAWINGS, (SIDE + 7) // 8, SIDE)
    return dict(zip(json.loads(names), columns, strict=True))


def drawings(columns: np.ndarray) -> np.ndarray:
    """The images of one character, uint8 [20, 105, 105, 1] with ink 255, from its bits."""
    return np.unpackbits(columns.transpose(0, 2, 1), axis=2, count=SIDE)[..., None] * np.uint8(255)


def open_embedded() -> DataSetCopy:
    """All of Omniglot, from the file beside this module. Raises UserError if it is damaged."""
    try:
        packed = unpack(EMBEDDED.read_bytes())
    except (OSError, EOFError, ValueError, lzma.LZMAError) as error:
        raise UserError(
            f"{EMBEDDED}: missing or damaged: restore it with `git checkout`, or reinstall the project"
        ) from error
    return DataSetCopy(
        EMBEDDED, "embedded", tuple(class_of(name, DRAWINGS, partial(drawings, packed[name])) for name in packed)
    )


def class_of(name: str, count: int, read: Callable[[], np.ndarray]) -> SourceClass:
    """A class of drawings, in this project's split."""
    return SourceClass(name, read_split("omniglot").get(name, "unknown"), count, read)
