"""Image files to arrays, each of exactly the size that is wanted."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from bench.errors import UserError

_BROKEN = (OSError, EOFError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError)


def decode(
    files: Mapping[str, bytes], names: Sequence[str], side: int, mode: str, corrupt: list[str] | None
) -> np.ndarray:
    """uint8 [images, side, side, channels] of the named JPEG or PNG files, in Pillow's `mode`.

    A file that cannot be decoded is noted in `corrupt` and left out, or, where that is None, a UserError. One of
    another size is always a UserError, raised before its pixels are decoded.
    """
    images = []
    for name in names:
        try:
            images.append(_decoded(files[name], name, side, mode))
        except _BROKEN as error:
            if corrupt is None:
                raise UserError(
                    f"{name}: cannot be decoded ({error}): get it again, or leave such images out with --partial"
                ) from error
            corrupt.append(name)
    return (
        np.stack(images).reshape(len(images), side, side, -1)
        if images
        else np.empty((0, side, side, len(mode)), np.uint8)
    )


def _decoded(data: bytes, name: str, side: int, mode: str) -> np.ndarray:
    with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
        if image.size != (side, side):
            raise UserError(
                f"{name}: {image.width}x{image.height} pixels, not {side}x{side}: use the copy that is already resized"
            )
        return np.asarray(image.convert(mode))
