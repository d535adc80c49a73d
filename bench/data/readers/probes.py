"""Checks a few images of a copy before all are read."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from PIL import Image

from bench.data.images import ImageSet
from bench.data.readers.copies import Copy
from bench.errors import UserError

_MOST = 24


def are_of_own_sizes(copy: Copy, groups: Mapping[tuple[str, str], Sequence[str]], side: int) -> bool:
    """Whether the images are those of a data set before it was resized to `side`: among those examined, at most one per
    class, none has that size. Raises UserError if they are a copy resized to another size."""
    firsts = [names[0] for names in groups.values() if names]
    sizes = set(_sizes(copy.files, firsts[:: max(1, len(firsts) // _MOST)]))
    if not sizes or (side, side) in sizes:
        return False
    (width, height), other = min(sizes), len(sizes) == 1
    if min(map(min, sizes)) < side or (other and width == height):
        raise UserError(
            f"{copy.path}: {firsts[0]}: {width}x{height} pixels, not {side}x{side}: the copy was resized to "
            f"another size: use one in {side}x{side}, or the images in their original sizes"
        )
    return True


def check_size(copy: Copy, name: str, side: int, hint: str) -> None:
    """Raises UserError if this image can be read and is not [side, side]."""
    for width, height in _sizes(copy.files, [name]):
        if (width, height) != (side, side):
            raise UserError(f"{copy.path}: {name}: {width}x{height} pixels, not {side}x{side}: {hint.rstrip('; ')}")


def _sizes(files: Mapping[str, bytes], names: Sequence[str]) -> Iterator[tuple[int, int]]:
    """(width, height) of the images that can be read."""
    for name in names:
        try:
            with Image.open(io.BytesIO(files[name]), formats=("JPEG", "PNG")) as image:
                yield image.size
        except Exception:  # a damaged image may raise anything, and is reported when it is read
            continue


def check_photographs(images: ImageSet, where: str) -> None:
    """Raises UserError if photographs of a known data set cannot be in their original state: grey, with swapped
    channels, or transposed; by a t statistic over at least ten classes, and a difference of some of the 255 levels."""
    firsts = [images.images[c.offset : c.offset + min(c.count, 20)] for c in images.classes]
    if len(firsts) >= 3 and all((first == first[..., :1]).all() for first in firsts):
        raise UserError(f"{where}: all images are grey, but this data set has colour images: use a copy in colour")
    means = [first.astype(np.float32).mean((0, 3)) for first in firsts]  # [height, width] per class
    down, right = (_differences(means, axis) for axis in (0, 1))
    blue = np.array([first[..., 2].mean() - first[..., 0].mean() for first in firsts])
    if _is_plain(blue, 4, 5):
        raise UserError(
            f"{where}: in {(blue > 0).sum()} of {len(blue)} classes blue exceeds red (by {blue.mean():.0f} of 255 on "
            "average), but in photographs red exceeds blue: the channels are blue, green, red, as cv2.imread gives "
            "them, or these are negatives: convert them (images[..., ::-1], or 255 - images), save the files again "
            "and add those"
        )
    if _is_plain(np.sign(right.mean()) * right, 5, 3) and abs(right.mean()) > 2 * abs(down.mean()):
        raise UserError(
            f"{where}: in {max((right > 0).sum(), (right < 0).sum())} of {len(right)} classes light comes from one "
            "side, but in photographs it comes from above: rows and columns were swapped: swap them back "
            "(images.swapaxes(1, 2)), save the files again and add those"
        )


def _differences(means: Sequence[np.ndarray], axis: int) -> np.ndarray:
    """How much lighter the second half of each image is than the first."""
    halves = [np.array_split(mean, 2, axis) for mean in means]
    return np.array([second.mean() - first.mean() for first, second in halves])


def _is_plain(found: np.ndarray, most: float, levels: float) -> bool:
    """Whether the mean over classes exceeds 0 by more than `levels`, and by more than `most` standard errors."""
    return len(found) >= 10 and found.mean() > max(levels, most * found.std(ddof=1) / len(found) ** 0.5)


def channels_are_last(images: np.ndarray) -> bool:
    """Whether uint8 [n, 3072] are pixels one after another, instead of three planes as in CIFAR's files: neighbours in
    a photograph are similar, so the wrong interpretation looks rough."""
    few = images[:: max(1, len(images) // 500)].astype(np.int16)
    return bool(
        _roughness(few.reshape(-1, 32, 32, 3)) < 0.7 * _roughness(few.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    )


def _roughness(images: np.ndarray) -> float:
    """The mean absolute difference of neighbouring pixels in [n, height, width, channels]."""
    return float(np.abs(np.diff(images, axis=1)).mean() + np.abs(np.diff(images, axis=2)).mean())
