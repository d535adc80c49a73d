"""The elementwise passes on Triton. For shapes see the functions with the same names in
`bench.networks.stacked.torch_operations`."""

from __future__ import annotations

import torch
import triton
from torch import Tensor

from bench.networks.stacked.tiles import How
from bench.networks.stacked.triton_kernels import passes, tangents
from bench.networks.stacked.triton_kernels.launch import launch
from bench.networks.stacked.triton_sums import sum_parts, windows


class Passes(How):
    """The operations between the products."""

    def normalise(self, greatest: Tensor, mean: Tensor, variance: Tensor, shift: Tensor, epsilon: float) -> Tensor:
        """relu(s (greatest - mean) + shift)."""
        output = torch.empty_like(greatest)
        grid, rows, options = self._grid(greatest)
        count, filters = _rows(greatest)
        launch(
            passes.normalise, grid,
            greatest, mean, variance, shift.contiguous(), output, count, epsilon, filters, rows, **options,
        )  # fmt: skip
        return output

    def output_tangent(
        self,
        greatest: Tensor,
        greatest1: Tensor,
        output: Tensor,
        mean: Tensor,
        variance: Tensor,
        layer_sums1: Tensor,
        shift1: Tensor | None,
        epsilon: float,
    ) -> Tensor:
        """The derivative of `normalise` in a direction."""
        output1, moved = torch.empty_like(greatest), None if shift1 is None else shift1.contiguous()
        grid, rows, options = self._grid(greatest)
        count, filters = _rows(greatest)
        launch(
            tangents.tangent, grid,
            greatest, greatest1, output, mean, variance, layer_sums1, moved, output1, count, epsilon, filters, rows,
            **options,
        )  # fmt: skip
        return output1

    def sums(self, grad_output: Tensor, output: Tensor, greatest: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
        """a, and the sums of a and of a (greatest - mean), [episodes, 2, filters]."""
        active, (grid, parts, numbers, options) = torch.empty_like(greatest), self._summing(greatest)
        launch(passes.cotangent_sums, grid, grad_output, output, greatest, mean, active, parts, *numbers, **options)
        return active, sum_parts(parts)

    def sums_tangent(
        self,
        grad_output1: Tensor,
        output: Tensor,
        active: Tensor,
        greatest: Tensor,
        greatest1: Tensor,
        mean: Tensor,
        layer_sums1: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """The derivative of `sums` in a direction."""
        active1, (grid, parts, numbers, options) = torch.empty_like(greatest), self._summing(greatest)
        launch(
            tangents.tangent_sums, grid,
            grad_output1, output, active, greatest, greatest1, mean, layer_sums1, active1, parts, *numbers, **options,
        )  # fmt: skip
        return active1, sum_parts(parts)

    def spread(
        self,
        layer: Tensor,
        active: Tensor,
        place: Tensor,
        mean: Tensor,
        variance: Tensor,
        sums: Tensor,
        counted: int,
        epsilon: float,
    ) -> Tensor:
        """The gradient of the layer."""
        found, (grid, numbers, options) = torch.empty_like(layer), self._over_windows(layer, epsilon)
        launch(
            passes.spread, grid,
            layer, active, place, mean, variance, sums, found, layer.shape[1], counted, *numbers, **options,
        )  # fmt: skip
        return found

    def spread_tangent(
        self,
        layer: Tensor,
        layer1: Tensor,
        active: Tensor,
        active1: Tensor,
        place: Tensor,
        mean: Tensor,
        variance: Tensor,
        layer_sums1: Tensor,
        sums: Tensor,
        sums1: Tensor,
        counted: int,
        epsilon: float,
    ) -> Tensor:
        """The derivative of `spread` in a direction; the statistics are computed from all `counted` images."""
        found, (grid, numbers, options) = torch.empty_like(layer), self._over_windows(layer, epsilon)
        launch(
            tangents.tangent_spread, grid,
            layer, layer1, active, active1, place, mean, variance, layer_sums1, sums, sums1, found, counted,
            *numbers, **options,
        )  # fmt: skip
        return found

    def _grid(self, pooled: Tensor) -> tuple[tuple[int, int], int, dict[str, int]]:
        count, filters = _rows(pooled)
        tile = self.tile("pass", pooled.shape[3], filters, "ieee")
        return (triton.cdiv(count, tile.rows), len(pooled)), tile.rows, tile.options

    def _summing(self, pooled: Tensor) -> tuple[tuple[int, int], Tensor, tuple[int, ...], dict[str, int]]:
        """Grid, parts, (rows, filters, rows at a time, number of rounds), options."""
        (blocks, episodes), rows, options = self._grid(pooled)
        count, filters = _rows(pooled)
        rounds = triton.cdiv(blocks, max(1, self.programs // episodes))
        programs = triton.cdiv(blocks, rounds)
        parts = pooled.new_empty((episodes, programs, 2, filters))
        return (programs, episodes), parts, (count, filters, rows, rounds), options

    def _over_windows(
        self, layer: Tensor, epsilon: float
    ) -> tuple[tuple[int, int], tuple[float | int, ...], dict[str, int]]:
        """Grid, (epsilon, height, width, filters, windows at a time), options."""
        episodes, _, height, width, filters = layer.shape
        tile = self.tile("spread", width, filters, "ieee")
        grid = triton.cdiv(windows(layer), tile.rows), episodes
        return grid, (epsilon, height, width, filters, tile.rows), tile.options


def _rows(pooled: Tensor) -> tuple[int, int]:
    """The number of rows of an episode, and the number of filters."""
    return pooled[0, ..., 0].numel(), pooled.shape[-1]
