"""Pooling by comparing places, against torch's own gather and scatter."""

from __future__ import annotations

import pytest
import torch

from bench.networks.stacked import torch_places
from bench.networks.stacked.torch_products import gather, max_pool, scatter


@pytest.mark.parametrize("size", [(7, 9), (8, 6)])
def test_comparing_places_is_gathering_and_scattering(size: tuple[int, int]) -> None:
    layer = torch.randn(2, 3, *size, 5).round()  # with equals, of which the first counts
    greatest, place = max_pool(layer)
    assert torch.equal(torch_places.gather(layer, place), greatest)
    other = torch.randn(layer.shape)
    assert torch.equal(torch_places.gather(other, place), gather(other, place))
    found = layer.clone()
    torch_places.add_at(found, place, greatest)
    torch.testing.assert_close(found, layer + scatter(greatest, place, size))
