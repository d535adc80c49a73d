"""The operations in torch: the first layer against the general one, places of maxima, and stacked episodes against
single ones."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from bench.networks.stacked import torch_operations as operations


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("counted", [3, 5])
@pytest.mark.parametrize(
    ("size", "strided"), [((17, 13), False), ((16, 16), False), ((15, 15), True), ((16, 16), True)]
)
def test_the_first_layer_is_like_any_other(
    size: tuple[int, int], counted: int, strided: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the moments of the images' patches, and in parts, it equals sums over the whole layer."""
    monkeypatch.setattr("bench.networks.stacked.torch_first_layer._PART_BYTES", 2 * 8 * 4 * size[0] * size[1])
    x, w, w1 = normal(2, 5, *size, 3), normal(2, 9, 3, 4, seed=1), normal(2, 9, 3, 4, seed=2)
    data = operations.data(x, counted, strided)
    layer, *expected = operations.layer(x, w, counted, strided)
    found = operations.first_layer(data, w)
    torch.testing.assert_close(found, tuple(expected))
    greatest, place, mean, variance = found
    of, shift = normal(*greatest.shape, seed=3), normal(2, 4, seed=4)
    output = operations.normalise(greatest, mean, variance, shift, 1e-3)
    active, sums = operations.sums(of, output, greatest, mean)
    spread = operations.spread(layer, active, place, mean, variance, sums, counted, 1e-3)
    torch.testing.assert_close(
        operations.first_weight_gradient(data, w, active, place, mean, variance, sums, 1e-3),
        operations.weight_gradient(x, spread, strided),
    )
    if counted < 5:
        return  # second order is only asked for with the statistics of all
    layer1, *expected1 = operations.layer_tangent(x, w1, torch.zeros_like(x), w, layer, mean, place, counted, strided)
    greatest1, layer_sums1 = operations.first_layer_tangent(data, w, w1, place)
    torch.testing.assert_close([greatest1, layer_sums1], expected1)
    of1 = normal(*greatest.shape, seed=5)
    active1, sums1 = operations.sums_tangent(of1, output, active, greatest, greatest1, mean, layer_sums1)
    rest = (active, active1, place, mean, variance, layer_sums1, sums, sums1)
    spread1 = operations.spread_tangent(layer, layer1, *rest, counted, 1e-3)
    torch.testing.assert_close(
        operations.first_weight_tangent(data, w, w1, *rest, 1e-3), operations.weight_gradient(x, spread1, strided)
    )


def test_places_are_the_first_of_equals() -> None:
    """Places in the window and in the image, converted both ways."""
    x = torch.zeros(1, 2, 5, 7, 3)
    x[0, 1, 2, 4, 1] = x[0, 1, 3, 4, 1] = 1.0  # left column of a window: above and below
    weight = torch.zeros(1, 9, 3, 3)
    weight[0, 4] = torch.eye(3)  # the layer is the image
    _, greatest, place, *_ = operations.layer(x, weight, 2)
    windows = operations.windows(place, 7)
    assert place[0, 1, 1, 2, 1] == 2 * 7 + 4 and windows[0, 1, 1, 2, 1] == 0 and greatest[0, 1, 1, 2, 1] == 1
    assert windows.dtype == torch.int8 and not windows.any()
    x[0, 1, 3, 5, 1] = 2.0
    place = operations.layer(x, weight, 2)[2]
    assert operations.windows(place, 7)[0, 1, 1, 2, 1] == 3
    assert torch.equal(operations.indices(operations.windows(place, 7), 7), place)


@pytest.mark.parametrize("strided", [False, True])
def test_dual_products_are_sums_of_two(strided: bool) -> None:
    x, w = normal(2, 3, 9, 9, 4), normal(2, 9, 4, 5, seed=1)
    s, s1 = (normal(2, 3, *((5, 5) if strided else (9, 9)), 5, seed=k) for k in (2, 3))
    x1, w1 = normal(*x.shape, seed=4), normal(*w.shape, seed=5)
    one = operations.weight_gradient(x, s1, strided) + operations.weight_gradient(x1, s, strided)
    torch.testing.assert_close(operations.weight_gradient_dual(x, s1, x1, s, strided), one)
    other = operations.data_gradient(s1, w, (9, 9), strided) + operations.data_gradient(s, w1, (9, 9), strided)
    torch.testing.assert_close(operations.data_gradient_dual(s1, w, s, w1, (9, 9), strided), other)
