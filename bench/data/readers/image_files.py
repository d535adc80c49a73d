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
_DEEP = re.compile(r"(?<!BGR);16")  # how Pillow calls 16 bits a channel, and not those of a pixel
# How one file becomes [side, side] in Pillow's mode: (content, name, side, mode) -> pixels.
Reader = Callable[[bytes, str, int, str], np.ndarray]


def exactly(data: bytes, name: str, side: int, mode: str) -> np.ndarray:
    """A JPEG or PNG file that has this size. Raises UserError, before its pixels are decoded, where it has another."""
    with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
        if image.size != (side, side):
            raise UserError(
                f"{name}: {image.width}x{image.height} pixels, not {side}x{side}: use a copy in {side}x{side}"
            )
        return np.asarray(image.convert(mode))


def shrunk(data: bytes, name: str, side: int, mode: str) -> np.ndarray:
    """A JPEG or PNG file of any size, resized by Pillow's LANCZOS straight to a square, as MAML's `proc_images.py` does
    with miniImageNet. Raises ValueError where it has too many pixels."""
    with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
        if image.width * image.height > MOST_PIXELS:
            raise ValueError(f"{image.width}x{image.height} pixels, more than {MOST_PIXELS}")
        return np.asarray(image.convert(mode).resize((side, side), Image.Resampling.LANCZOS))


BANNER = 20  # pixels below each photograph of FGVC-Aircraft, which its authors say to cut


def without_banner(data: bytes, name: str, side: int, mode: str) -> np.ndarray:
    """A photograph of FGVC-Aircraft, as `fitted` does the part of it above the banner. Raises ValueError as that
    does."""
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        if image.width * image.height > MOST_PIXELS or image.height <= BANNER:
            raise ValueError(f"{image.width}x{image.height} pixels")
        return np.asarray(square(image.convert(mode).crop((0, 0, image.width, image.height - BANNER)), side))


def fitted(data: bytes, name: str, side: int, mode: str) -> np.ndarray:
    """A file of any format and size: as a viewer shows it, transparent on white, cut to its middle square, resized
    by Pillow's LANCZOS. Raises ValueError where it has more than 8 bits a channel, or too many pixels."""
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
    """The middle square of an image, [side, side]."""
    return ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS)


def decode(
    files: Mapping[str, bytes],
    names: Sequence[str],
    side: int,
    mode: str,
    corrupt: list[str] | None,
    reader: Reader = exactly,
) -> np.ndarray:
    """uint8 [images, side, side, channels] of the named files, in Pillow's `mode`.

    A file that cannot be decoded is noted in `corrupt`, with the reason, and left out, or, where that is None, a
    UserError."""
    images = []
    for name in names:
        try:
            # What says that it is very large is warned of; whether it is too large is the reader's to say.
            with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
                images.append(reader(files[name], name, side, mode))
        except UserError:
            raise
        except Exception as error:  # what a damaged or hostile image raises has no bounds
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
    """The reason in words that are the same each time: Pillow's name an address in memory."""
    return "in no known format" if isinstance(error, UnidentifiedImageError) else reason(error)


@cache
def readable_suffixes() -> frozenset[str]:
    """The suffixes of the files that `fitted` reads, in lower case."""
    formats = _readable()
    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in formats)


def _readable() -> list[str]:
    """Pillow's formats, but for the one that starts another program to draw the image."""
    Image.init()
    return [name for name in Image.OPEN if name != "EPS"]
