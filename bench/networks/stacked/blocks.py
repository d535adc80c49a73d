"""The four blocks of the network and both of their derivatives, on a set of operations (`torch_operations`).

Every tensor has a leading dimension [episodes]; each episode has its own parameters. For a block with data x and weight
w, with the symbols of `torch_passes`, where a prime marks the derivative in the direction v:

    forward    L = x * w;  m, s;  o = relu(s (G - m) + shift)
    backward   a, A, B, S;  the gradients for w: W(x, S), for the shift: A, for x: D(S, w)
    forward'   L' = x * w' + x' * w;  m', s';  o'
    backward'  a', A', B', S';  (H v) for w: W(x, S') + W(x', S), for the shift: A', for x': D(S', w) + D(S, w')

Batch norm subtracts the bias of a convolution again, so the bias is left out, and its gradient is zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

Params = dict[str, Tensor]
BLOCKS = (1, 2, 3, 4)


class Block(NamedTuple):
    """A block at given parameters, and, after its gradient was computed, the intermediate results of that."""

    x: Any  # images; `Data` in a first block whose patches were measured
    weight: Tensor
    layer: Tensor | None  # None in such a first block
    greatest: Tensor
    place: Tensor | None
    mean: Tensor
    variance: Tensor
    output: Tensor
    active: Tensor | None = None
    sums: Tensor | None = None
    spread: Tensor | None = None


class Moved(NamedTuple):
    """The derivative of a block in a direction."""

    x1: Tensor | None  # None in the first block
    weight1: Tensor
    layer1: Tensor | None  # None in the first block
    greatest1: Tensor
    layer_sums1: Tensor


@dataclass(frozen=True)
class Blocks:
    """Convolution without its bias, batch norm without a scale, ReLU; `strided` or pooled."""

    operations: Any
    epsilon: float
    strided: bool

    def forward(self, params: Params, data: Any) -> list[Block]:
        """All blocks applied to `Data`."""
        done: list[Block] = []
        for k in BLOCKS:
            weight = _inside(params[f"conv{k}.weight"])
            if k == 1 and data.mean is not None:
                x, layer, rest = data, None, self.operations.first_layer(data, weight)
            else:
                x = done[-1].output if done else data.images
                layer, *rest = self.operations.layer(x, weight, data.counted, self.strided)
            greatest, place, mean, variance = rest
            output = self.operations.normalise(greatest, mean, variance, params[f"norm{k}.shift"], self.epsilon)
            done.append(Block(x, weight, layer, greatest, place, mean, variance, output))
        return done

    def backward(
        self, blocks: list[Block], grad_output: Tensor, counted: int, keep: bool
    ) -> tuple[Params, list[Block]]:
        """The gradient with respect to the blocks' parameters, given the cotangent of the last output; and, with
        `keep`, the blocks with their intermediate results. Otherwise each block leaves the list as soon as it was
        used."""
        found: Params = {}
        kept: list[Block] = []
        nothing = torch.zeros_like(blocks[0].mean)
        while blocks:
            k, block = len(blocks), blocks.pop()
            active, sums = self.operations.sums(grad_output, block.output, block.greatest, block.mean)
            block = block._replace(active=active, sums=sums)
            if block.layer is None:
                grad_weight = self._of_first_weight(block)
            else:
                block = block._replace(spread=self._spread(block, counted))
                grad_weight = self.operations.weight_gradient(block.x, block.spread, self.strided)
                if k > 1:
                    grad_output = self.operations.data_gradient(
                        block.spread, block.weight, _size(block.x), self.strided
                    )
            found |= _name_gradients(k, grad_weight, sums[:, 0], nothing)
            if keep:
                kept.insert(0, block)
        return found, kept

    def tangent(self, blocks: list[Block], direction: Params) -> tuple[list[Moved], Tensor]:
        """The derivatives of the blocks, and of the last output, in a direction; parameters that it does not name stay
        fixed."""
        moved: list[Moved] = []
        x1 = None
        for k, block in enumerate(blocks, 1):
            name = f"conv{k}.weight"
            weight1 = _inside(direction[name]) if name in direction else torch.zeros_like(block.weight)
            moved.append(self._moved(block, x1, weight1))
            greatest1, sums1 = moved[-1].greatest1, moved[-1].layer_sums1
            x1 = self.operations.output_tangent(
                block.greatest, greatest1, block.output, block.mean, block.variance, sums1,
                direction.get(f"norm{k}.shift"), self.epsilon,
            )  # fmt: skip
        assert x1 is not None
        return moved, x1

    def backward_tangent(self, blocks: list[Block], moved: list[Moved], grad_output1: Tensor) -> Params:
        """The derivative of the gradient in the direction, given the derivative of the last output's cotangent."""
        found, nothing = Params(), torch.zeros_like(blocks[0].mean)
        for k, block, move in reversed(list(zip(BLOCKS, blocks, moved, strict=True))):
            active1, sums1 = self.operations.sums_tangent(
                grad_output1, block.output, block.active, block.greatest, move.greatest1, block.mean, move.layer_sums1
            )
            if block.layer is None:
                grad_weight1 = self._of_first_weight_tangent(block, move, active1, sums1)
            else:
                grad_weight1, grad_output1 = self._back_tangent(block, move, active1, sums1)
            found |= _name_gradients(k, grad_weight1, sums1[:, 0], nothing)
        return found

    def _of_first_weight(self, block: Block) -> Tensor:
        return self.operations.first_weight_gradient(
            block.x, block.weight, block.active, block.place, block.mean, block.variance, block.sums, self.epsilon
        )

    def _spread(self, block: Block, counted: int) -> Tensor:
        return self.operations.spread(
            block.layer, block.active, block.place, block.mean, block.variance, block.sums, counted, self.epsilon
        )

    def _moved(self, block: Block, x1: Tensor | None, weight1: Tensor) -> Moved:
        if block.layer is None:
            return Moved(
                None, weight1, None, *self.operations.first_layer_tangent(block.x, block.weight, weight1, block.place)
            )
        found = self.operations.layer_tangent(
            block.x, weight1, x1, block.weight, block.layer, block.mean, block.place, len(block.x[0]), self.strided
        )
        return Moved(x1, weight1, *found)

    def _of_first_weight_tangent(self, block: Block, move: Moved, active1: Tensor, sums1: Tensor) -> Tensor:
        return self.operations.first_weight_tangent(
            block.x, block.weight, move.weight1, block.active, active1, block.place, block.mean, block.variance,
            move.layer_sums1, block.sums, sums1, self.epsilon,
        )  # fmt: skip

    def _back_tangent(self, block: Block, move: Moved, active1: Tensor, sums1: Tensor) -> tuple[Tensor, Tensor]:
        """(H v) for the weight, and for x'."""
        spread1 = self.operations.spread_tangent(
            block.layer, move.layer1, block.active, active1, block.place, block.mean, block.variance,
            move.layer_sums1, block.sums, sums1, len(block.x[0]), self.epsilon,
        )  # fmt: skip
        grad_weight1 = self.operations.weight_gradient_dual(block.x, spread1, move.x1, block.spread, self.strided)
        grad_x1 = self.operations.data_gradient_dual(
            spread1, block.weight, block.spread, move.weight1, _size(block.x), self.strided
        )
        return grad_weight1, grad_x1


def _size(x: Tensor) -> tuple[int, int]:
    return x.shape[2], x.shape[3]


def _inside(weight: Tensor) -> Tensor:
    """[episodes, filters, channels, 3, 3] -> [episodes, 9, channels, filters], the internal layout; no copy if the
    weight came from there."""
    return weight.permute(0, 3, 4, 2, 1).flatten(1, 2).contiguous()


def laid_out(params: Params) -> Params:
    """Parameters with convolution weights as views of the internal layout, so that no step has to copy them."""
    return {
        name: _outside(_inside(value)) if value.dim() == 5 else value.contiguous() for name, value in params.items()
    }


def _outside(weight: Tensor) -> Tensor:
    """[episodes, 9, channels, filters] -> [episodes, filters, channels, 3, 3], as a view."""
    return weight.unflatten(1, (3, 3)).permute(0, 4, 3, 1, 2)


def _name_gradients(k: int, grad_weight: Tensor, grad_shift: Tensor, grad_bias: Tensor) -> Params:
    """Gradients with the names of block k's parameters; weights are views of the internal layout."""
    return {f"conv{k}.weight": _outside(grad_weight), f"conv{k}.bias": grad_bias, f"norm{k}.shift": grad_shift}
