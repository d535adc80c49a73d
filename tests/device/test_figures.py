"""The timed code, as far as it can be tested without a GPU: every kernel is launched on tensors without data, and all
contenders compute the same gradient."""

from __future__ import annotations

import pytest

pytest.importorskip("triton", reason="Triton has packages for Linux on x86-64 alone")

import torch

from bench.networks.stacked.tiles import SHIPPED, Tile, read, shipped_tiles
from bench.networks.stacked.triton_operations import TritonOperations
from tests.device import steps, sweep, synthetic
from tests.device.kernels import SIZES, operations
from tests.networks.stacked import ahead


@pytest.mark.parametrize("size", SIZES)
def test_every_tile_that_is_tried_is_taken(size: int) -> None:
    work = operations(size, device="meta")
    assert set(work) == set(sweep.operations_of(size))
    tried = [one for one in sweep.tries() if one.size == size]
    for one in tried:
        launches = ahead.launches(lambda one=one: work[one.kernel](sweep.with_tile(one)))
        assert one.tile.options in [each.options for each in launches], one
    names = {one.name for one in tried}
    assert len(tried) > 2 * len(names) and len(names) >= len(work)


def test_the_fastest_tile_is_what_ships(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    slow, fast, other = (sweep.Try("layer", "ieee", 42, Tile(rows, 16, 2, 2)) for rows in (64, 128, 32))
    found = sweep.document({slow: 3e-5, fast: 2e-5, other: 4e-5})
    assert found["measured"] == "a GPU" and found["tiles"]["layer/ieee/42"] == list(fast.tile)
    assert set(found["tiles"]) == {*shipped_tiles(), "layer/ieee/42"} and read(found)["layer/ieee/42"] == fast.tile


def test_what_ships_says_that_nobody_has_timed_it() -> None:
    assert '"measured": null' in SHIPPED.read_text() and "never timed" in SHIPPED.read_text()


def test_tiles_of_more_filters_take_fewer_rows() -> None:
    tile = TritonOperations("ieee").tile
    assert tile("layer", 42, 64).rows == tile("layer", 42).rows // 2 and tile("layer", 42, 16) == tile("layer", 42)
    assert tile("layer", 10) != tile("layer", 42)


@pytest.mark.slow
def test_the_contenders_on_noise_compute_one_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a CPU, where there are no kernels: the engine on torch's operations, and the libraries that are installed."""
    monkeypatch.setattr(steps, "LAYERS", ("stacked", "masked"))
    monkeypatch.setattr(steps, "MODE", "eager")
    of = synthetic.case(device="cpu", meta_batch=1, inner_steps=1)
    everybody = steps.contenders(of)
    assert {"ours eager, stacked", "ours eager, masked", "loop"} <= set(everybody)
    assert max(steps.gradients(everybody).values()) < 1e-3
