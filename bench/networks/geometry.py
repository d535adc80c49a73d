"""Padding, strides, pooling and the order of operations in the blocks of a Conv4: three variants are in use.

`paper`: the code of Finn et al., padded like TensorFlow's SAME. `padded`: one row and column on every side, as in
PyTorch code (learn2learn's OmniglotCNN); it differs if a convolution strides over an even size. `unpadded`: no padding,
ReLU before the norm, and a last block that does not halve (dragen1860/MAML-Pytorch, omniglot_train.py and
miniimagenet_train.py): its 2x2 pooling has stride one, or its convolution is 2x2."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

LAST = 4


@dataclass(frozen=True)
class Geometry:
    """One variant of the blocks, with or without strides. `pools_same`: pooling pads an odd size (Nichol et al. 2018,
    code: TensorFlow's SAME) instead of dropping the last row and column."""

    blocks: str
    strided: bool
    pools_same: bool = False

    @property
    def norm_first(self) -> bool:
        """Whether batch norm comes before ReLU."""
        return self.blocks != "unpadded"

    @property
    def written_here(self) -> bool:
        """Whether to use `convolution` of this class instead of `bench.networks.layers`."""
        return self.blocks != "paper"

    def _narrow(self, k: int) -> bool:
        return self.blocks == "unpadded" and k == LAST

    def kernel(self, k: int) -> int:
        """The number of rows and columns of block k's kernel."""
        return 2 if self.strided and self._narrow(k) else 3

    def _stride(self, k: int) -> int:
        return 2 if self.strided and not self._narrow(k) else 1

    def after(self, size: int) -> int:
        """The number of rows, or columns, after the last block, for images of `size`; 0 if nothing is left."""
        for k in range(1, LAST + 1):
            size = self._convolved(k, size)
            if not self.strided:
                size = size - 1 if self._narrow(k) else (size + self.pools_same) // 2
        return max(size, 0)

    def _convolved(self, k: int, size: int) -> int:
        if self.blocks == "paper":
            return -(-size // self._stride(k))
        both_sides = 2 if self.blocks == "padded" else 0
        return (size + both_sides - self.kernel(k)) // self._stride(k) + 1

    def convolution(self, k: int, images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """The convolution of block k, for images [images, rows, columns, channels]."""
        padding = 1 if self.blocks == "padded" else 0
        channels_first = images.permute(0, 3, 1, 2)
        found = F.conv2d(channels_first, weight, bias, stride=self._stride(k), padding=padding)
        return found.permute(0, 2, 3, 1)

    def pooled_by_one(self, k: int) -> bool:
        """Whether block k pools overlapping 2x2 windows."""
        return not self.strided and self._narrow(k)

    def padded(self, hidden: Tensor) -> Tensor:
        """The images before pooling, [images, rows, columns, channels], with an odd last row or column repeated, which
        changes no maximum."""
        for dim in (1, 2):
            if self.pools_same and hidden.shape[dim] % 2:
                hidden = torch.cat([hidden, hidden.narrow(dim, -1, 1)], dim)
        return hidden


def padding(size: int, stride: int) -> tuple[int, int]:
    """How much a 3x3 convolution over `size` pads before and after, as TensorFlow's SAME does."""
    return (0, 1) if stride == 2 and size % 2 == 0 else (1, 1)


def max_pool_by_one(images: Tensor) -> Tensor:
    """The maximum of each 2x2 window, with a window at every row and column; images [images, rows, columns,
    channels]."""
    rows = torch.maximum(images[:, :-1], images[:, 1:])
    return torch.maximum(rows[:, :, :-1], rows[:, :, 1:])
