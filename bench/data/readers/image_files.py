"""Decodes image files to arrays of exactly the requested size."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from bench.errors import UserError, reason

MOST_PIXELS = 1 << 26
_DEEP = re.compile(r"(?<!BGR);16")  # Pillow's name for 16 bits per channel, but not per pixel
# Decodes one file to [side, side] in Pillow's mode: (content, name, side, mode) -> pixels.
Reader = Callable[[bytes, str, int, str], np.ndarray]


def exactly(data: bytes, name: str, side: int, mode: str) -> np.ndarray:
    """Decodes a JPEG or PNG file with exactly this size. Raises UserError for another size, before its pixels are
    decoded."""
    with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
        if image.size != (side, side):
            raise UserError(
                f"{name}: {image.width}x{image.height} pixels, not {side}x{side}: use a copy in {side}x{side}"
            )
        return np.asarray(image.convert(mode))


def shrunk(data: bytes, name: str, side: int, mode: str) -> np.ndarray:
    """Decodes a JPEG or PNG file of any size, resized to a square by Pillow's LANCZOS without cropping, as MAML's
    `proc_images.py` does for miniImageNet. Raises ValueError if it has too many pixels."""
    with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
        if image.width * image.height > MOST_PIXELS:
            raise ValueError(f"{image.width}x{image.height} pixels, more than {MOST_PIXELS}")
        return np.asarray(image.convert(mode).resize((side, side), Image.Resampling.LANCZOS))


BANNER = 20  # pixels at the bottom of each photograph of FGVC-Aircraft, which its authors say to remove


def without_banner(data: bytes, name: str, side: int, mode: str) -> np.ndarray:
    """`decode_to_fit` for a photograph of FGVC-Aircraft, without its banner."""
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        if image.width * image.height > MOST_PIXELS or image.height <= BANNER:
            raise ValueError(f"{image.width}x{image.height} pixels")
        return np.asarray(square(image.convert(mode).crop((0, 0, image.width, image.height - BANNER)), side))


def decode_to_fit(data: bytes, name: str, side: int, mode: str) -> np.ndarray:
    """Decodes a file of any format and size: rotated as its EXIF data say, transparency on white, cropped to the centre
    square, resized by Pillow's LANCZOS. Raises ValueError for more than 8 bits per channel, or too many pixels."""
    with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data), formats=_readable()) as image:
        if image.width * image.height > MOST_PIXELS:
            raise ValueError(f"{image.width}x{image.height} pixels, more than {MOST_PIXELS}")
        if image.mode.startswith(("I", "F")) or _DEEP.search(str(image.tile)):  # Pillow would clip or halve these
            raise ValueError(f"pixels of mode {image.mode}, not 8 bits per channel")
        shown = ImageOps.exif_transpose(image)
        if shown.has_transparency_data:
            shown = Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown.convert("RGBA"))
        return np.asarray(square(shown.convert(mode), side))


def square(image: Image.Image, side: int) -> Image.Image:
    """The centre square of an image, [side, side]."""
    return ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS)


def decode(
    files: Mapping[str, bytes],
    names: Sequence[str],
    side: int,
    mode: str,
    corrupt: list[str] | None,
    reader: Reader = exactly,
) -> np.ndarray:
    """uint8 [images, side, side, channels] from the named files, in Pillow's `mode`.

    A file that cannot be decoded is noted in `corrupt`, with the reason, and left out; if `corrupt` is None, it raises
    UserError."""
    images = []
    for name in names:
        try:
            # Pillow warns about files that claim to be very large; the reader decides whether they are too large.
            with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
                images.append(reader(files[name], name, side, mode))
        except UserError:
            raise
        except Exception as error:  # a damaged or hostile image may raise anything
            if corrupt is None:
                raise UserError(
                    f"{name}: cannot be decoded ({_why(error)}): get it again, or skip it with --partial"
                ) from error
            corrupt.append(f"{name} ({_why(error)})")
    return (
        np.stack(images).reshape(len(images), side, side, -1)
        if images
        else np.empty((0, side, side, len(mode)), np.uint8)
    )


def _why(error: Exception) -> str:
    """The reason, in words that are the same each time: Pillow's message contains a memory address."""
    return "in no known format" if isinstance(error, UnidentifiedImageError) else reason(error)


@cache
def readable_suffixes() -> frozenset[str]:
    """The suffixes of the files that `decode_to_fit` reads, in lower case."""
    formats = _readable()
    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in formats)


def _readable() -> list[str]:
    """Pillow's formats, except EPS, for which it starts another program."""
    Image.init()
    return [name for name in Image.OPEN if name != "EPS"]
