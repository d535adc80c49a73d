"""What a look at a few images of a copy tells, before all are read."""

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
    """Whether images are those of a data set before it was resized to `side`: none that is looked at, one a class, has
    that size, and they are no copy in another one. Raises UserError where they are."""
    firsts = [names[0] for names in groups.values() if names]
    sizes = set(_sizes(copy.files, firsts[:: max(1, len(firsts) // _MOST)]))
    if not sizes or (side, side) in sizes:
        return False
    (width, height), other = min(sizes), len(sizes) == 1
    if min(map(min, sizes)) < side or (other and width == height):
        raise UserError(
            f"{copy.path}: {firsts[0]}: {width}x{height} pixels, not {side}x{side}: a copy that somebody resized to "
            f"another size: use one in {side}x{side}, or the images in their own sizes"
        )
    return True


def check_size(copy: Copy, name: str, side: int, hint: str) -> None:
    """Raises UserError where that image can be read and is not [side, side]."""
    for width, height in _sizes(copy.files, [name]):
        if (width, height) != (side, side):
            raise UserError(f"{copy.path}: {name}: {width}x{height} pixels, not {side}x{side}: {hint.rstrip('; ')}")


def _sizes(files: Mapping[str, bytes], names: Sequence[str]) -> Iterator[tuple[int, int]]:
    """(width, height) of those that can be read."""
    for name in names:
        try:
            with Image.open(io.BytesIO(files[name]), formats=("JPEG", "PNG")) as image:
                yield image.size
        except Exception:  # what a damaged image raises has no bounds, and the reader will say it
            continue


def check_colours(images: ImageSet, where: str) -> None:
    """Raises UserError where photographs are bluer than red, class after class, as none of the known data sets is: then
    their channels are blue, green, red. By a t statistic over at least ten classes, and five levels of 255."""
    firsts = (images.images[c.offset : c.offset + min(c.count, 20)].mean((0, 1, 2)) for c in images.classes)
    redder = np.array([mean[0] - mean[2] for mean in firsts])
    if len(redder) >= 10 and redder.mean() < -5 and redder.mean() < -4 * redder.std(ddof=1) / len(redder) ** 0.5:
        raise UserError(
            f"{where}: in {(redder < 0).sum()} of {len(redder)} classes blue exceeds red (by {-redder.mean():.0f} of "
            "255 on average), and in photographs it is the other way: the channels are blue, green, red, as "
            "cv2.imread gives them: turn them (images[..., ::-1]), save the files again and add those"
        )


def channels_are_last(images: np.ndarray) -> bool:
    """Whether uint8 [n, 3072] hold pixel after pixel, and not three planes as CIFAR's files do: neighbours in a
    photograph are alike, so the wrong way to read it makes it rough."""
    few = images[:: max(1, len(images) // 500)].astype(np.int16)
    return bool(
        _roughness(few.reshape(-1, 32, 32, 3)) < 0.7 * _roughness(few.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    )


def _roughness(images: np.ndarray) -> float:
    """The mean difference of neighbours in [n, height, width, channels]."""
    return float(np.abs(np.diff(images, axis=1)).mean() + np.abs(np.diff(images, axis=2)).mean())
