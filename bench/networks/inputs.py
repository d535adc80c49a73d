"""The inputs of a network: images unchanged, or shifted and scaled as in other code."""

from __future__ import annotations

import torch
from torch import Tensor

# Mean and standard deviation of each channel, for images in [0, 1].
_CHANNELS = {
    # torchvision's, of ImageNet (torchvision.models documentation): CloserLookFewShot, MAML-Pytorch.
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    # MetaOptNet's (kjunelee/MetaOptNet, data/mini_imagenet.py): LibFewShot.
    "metaoptnet": (
        (120.39586422 / 255, 115.59361427 / 255, 104.54012653 / 255),
        (70.68188272 / 255, 68.27635443 / 255, 72.54505529 / 255),
    ),
}
_INVERTED = "inverted"  # ink is 0 and paper 1; in our images it is the other way round


def seen(inputs: str, images: Tensor) -> Tensor:
    """Images [images, channels, height, width] in [0, 1], transformed for a network with this kind of inputs. A grey
    image is normalised by the first channel, as in CloserLookFewShot."""
    if inputs == "unit":
        return images
    if inputs == "bytes":
        return 255 * images
    if inputs.startswith(_INVERTED):
        images = 1 - images
    channels = _CHANNELS.get(inputs.removeprefix(f"{_INVERTED}-"))
    if channels is None:
        return images
    # With Python numbers: a tensor created here could not be copied to a GPU while a graph is captured.
    named = zip(images.unbind(1), *channels, strict=False)
    return torch.stack([(channel - mean) / deviation for channel, mean, deviation in named], 1)
