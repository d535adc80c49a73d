"""Compares every kernel with its twin in torch. `tests/networks/stacked/test_kernels.py` runs this file in a separate
process, in Triton's interpreter; `tox -e cuda` runs it on a device.

Uninitialised memory is filled with NaN (`torch.utils.deterministic`), so that elements which a kernel fails to write
are noticed."""

from __future__ import annotations

import os
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from bench.networks.stacked import torch_operations as twins
from bench.networks.stacked.engine import StackedEngine
from bench.networks.stacked.tiles import How, Tile, Tiles, shipped_tiles
from bench.networks.stacked.triton_operations import TritonOperations
from methods.contract import Episode
from tests.networks.stacked.steps import drawn, meta_gradient, parameters

DEVICE = torch.device("cpu" if os.environ.get("TRITON_INTERPRET") else "cuda")
EPSILON = 1e-3
# Episodes, images, rows, columns, channels of the images, filters: no count is a multiple of a tile, an edge is odd.
SIZES = [(2, 3, 9, 6, 3, 16), (2, 2, 7, 11, 1, 32)]
# Every size and every type is in CI; the other pairs, with the marker `full`.
PAIRS = [
    (SIZES[0], torch.float64),
    (SIZES[1], torch.float32),
    pytest.param((SIZES[0], torch.float32), marks=pytest.mark.full),
    pytest.param((SIZES[1], torch.float64), marks=pytest.mark.full),
]

pytestmark = pytest.mark.skipif(
    DEVICE.type == "cuda" and not torch.cuda.is_available(), reason="neither TRITON_INTERPRET nor a CUDA GPU"
)


def small(filters: int) -> Tiles:
    """Tiles so small that every sum takes several of them."""
    return {name: Tile(2 * filters, filters, 4, 1) for name in shipped_tiles()}


class OnDevice:
    """Operations whose arguments come from the CPU and whose results return there, where the twins run."""

    def __init__(self, operations: How) -> None:
        self.operations = operations

    def __getattr__(self, name: str) -> Any:
        if name == "head":
            return OnDevice(self.operations.head)

        def moved(*arguments: Any) -> Any:
            found = getattr(self.operations, name)(*to(DEVICE, arguments))
            return to(torch.device("cpu"), found)

        return moved


def to(device: torch.device, tensors: Any) -> Any:
    """Moves every tensor to the device."""
    return tree_map(lambda one: one.to(device) if isinstance(one, Tensor) else one, tensors)


class Case:
    """Random tensors of one size and type, and the operations to compare with the twins."""

    def __init__(self, size: tuple[int, ...], dtype: torch.dtype, products: str = "ieee") -> None:
        self.episodes, self.images, self.rows, self.columns, self.channels, self.filters = size
        self.dtype, self.generator = dtype, torch.Generator().manual_seed(0)
        self.kernels = OnDevice(TritonOperations(products, small(self.filters), programs=6))

    def __call__(self, *shape: int) -> Tensor:
        """Random numbers [episodes, *shape]."""
        return drawn(self.generator, self.episodes, *shape).to(self.dtype)

    def layer(self, channels: int | None = None) -> Tensor:
        return self(self.images, self.rows, self.columns, channels or self.filters)

    def pooled(self) -> Tensor:
        return self(self.images, self.rows // 2, self.columns // 2, self.filters)

    def weight(self, channels: int | None = None) -> Tensor:
        return self(9, channels or self.filters, self.filters)

    def vector(self) -> Tensor:
        return self(self.filters)

    def place(self) -> Tensor:
        """A random place within every window, int8."""
        return (self.pooled().abs() * 100).long().remainder(4).to(torch.int8)

    def indices(self, place: Tensor) -> Tensor:
        """The places in the form that the twins use."""
        return twins.indices(place, self.columns)


@pytest.fixture(params=PAIRS, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    return Case(*request.param)


@pytest.fixture(autouse=True)
def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    assert torch.are_deterministic_algorithms_enabled()  # without which nothing is filled
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)


def agree(found: Tensor | tuple[Tensor, ...], expected: Tensor | tuple[Tensor, ...]) -> None:
    """Asserts equality to 1e-12 in float64, and in float32 to the rounding error of sums of some hundred products."""
    pairs = zip((found,), (expected,), strict=True) if isinstance(found, Tensor) else zip(found, expected, strict=True)
    for one, other in pairs:
        assert one.shape == other.shape and one.dtype == other.dtype
        limit = 1e-12 if one.dtype == torch.float64 else 3e-6
        assert (one - other).abs().max() <= limit * other.abs().max()


def test_memory_that_nobody_has_written_is_poisoned() -> None:
    assert torch.empty(3).isnan().all() and torch.ones(3).new_empty(3).isnan().all()


@pytest.mark.parametrize("counted", [1, None])
def test_patches_are_measured(case: Case, counted: int | None) -> None:
    images = case.layer(case.channels)
    found = case.kernels.data(images, counted or case.images)
    expected = twins.data(images.double(), counted or case.images)  # moments are of float64, whatever the images are
    assert torch.equal(found.images, images) and found[3:] == expected[3:]
    agree(found[1:3], expected[1:3])


def test_the_first_layer_is_pooled(case: Case) -> None:
    data, weight = twins.data(case.layer(case.channels), 2), case.weight(case.channels)
    found, expected = (each.first_layer(data, weight) for each in (case.kernels, twins))
    assert torch.equal(found[1], twins.windows(expected[1], case.columns))
    agree((found[0], *found[2:]), (expected[0], *expected[2:]))


def test_the_first_layer_is_picked(case: Case) -> None:
    data = twins.data(case.layer(case.channels), case.images)
    weights, place = [case.weight(case.channels) for _ in range(2)], case.place()
    expected = twins.first_layer_tangent(data, *weights, case.indices(place))
    agree(case.kernels.first_layer_tangent(data, *weights, place), expected)


def test_the_first_weight_gradient(case: Case) -> None:
    data, weight, place = twins.data(case.layer(case.channels), 2), case.weight(case.channels), case.place()
    rest = case.vector(), case.vector() ** 2, case(2, case.filters), EPSILON
    active = case.pooled().relu()
    expected = twins.first_weight_gradient(data, weight, active, case.indices(place), *rest)
    agree(case.kernels.first_weight_gradient(data, weight, active, place, *rest), expected)


def test_the_first_weight_tangent(case: Case) -> None:
    data, place = twins.data(case.layer(case.channels), case.images), case.place()
    before = [case.weight(case.channels) for _ in range(2)] + [case.pooled().relu() for _ in range(2)]
    sums = [case(2, case.filters) for _ in range(3)]
    rest = case.vector(), case.vector() ** 2, *sums, EPSILON
    expected = twins.first_weight_tangent(data, *before, case.indices(place), *rest)
    agree(case.kernels.first_weight_tangent(data, *before, place, *rest), expected)


@pytest.mark.parametrize("counted", [1, None])
def test_a_layer(case: Case, counted: int | None) -> None:
    x, weight = case.layer(), case.weight()
    found, expected = (each.layer(x, weight, counted or case.images) for each in (case.kernels, twins))
    assert torch.equal(found[2], twins.windows(expected[2], case.columns))
    agree((*found[:2], *found[3:]), (*expected[:2], *expected[3:]))


def test_of_equals_the_first_is_the_greatest() -> None:
    """Small whole numbers, whose products are exact and often equal."""
    case = Case(SIZES[0], torch.float32)
    data = twins.data(case.layer(case.channels).round(), case.images)
    x, first, weight = case.layer().round(), case.weight(case.channels).round(), case.weight().round()
    for found, expected in (
        (case.kernels.first_layer(data, first), twins.first_layer(data, first)),
        (case.kernels.layer(x.sign(), weight.sign(), 3)[1:], twins.layer(x.sign(), weight.sign(), 3)[1:]),
    ):
        assert torch.equal(found[0], expected[0])
        assert torch.equal(found[1], twins.windows(expected[1], case.columns))


def test_a_layer_tangent(case: Case) -> None:
    x, weight1, x1, weight = case.layer(), case.weight(), case.layer(), case.weight()
    layer, mean, place = case.layer(), case.vector(), case.place()
    before = x, weight1, x1, weight, layer, mean
    expected = twins.layer_tangent(*before, case.indices(place), case.images)
    agree(case.kernels.layer_tangent(*before, place, case.images), expected)


def test_the_gradients_of_images(case: Case) -> None:
    size, spread, spread1 = (case.rows, case.columns), case.layer(), case.layer()
    weight, weight1 = case.weight(), case.weight()
    for name, tensors in (
        ("data_gradient", (spread, weight)),
        ("data_gradient_dual", (spread1, weight, spread, weight1)),
    ):
        agree(getattr(case.kernels, name)(*tensors, size), getattr(twins, name)(*tensors, size))


def test_the_gradients_of_weights(case: Case) -> None:
    x, spread1, x1, spread = (case.layer() for _ in range(4))
    for name, tensors in (("weight_gradient", (x, spread)), ("weight_gradient_dual", (x, spread1, x1, spread))):
        agree(getattr(case.kernels, name)(*tensors), getattr(twins, name)(*tensors))


def test_an_output(case: Case) -> None:
    greatest, mean, variance, shift = case.pooled(), case.vector(), case.vector() ** 2, case.vector()
    shift[:, 0] = -100  # a ReLU that is closed everywhere
    output = twins.normalise(greatest, mean, variance, shift, EPSILON)
    assert output[..., 0].max() == 0 < output[..., 1].max()
    agree(case.kernels.normalise(greatest, mean, variance, shift, EPSILON), output)
    for shift1 in (None, case.vector(), case(2, case.filters)[:, 0]):
        before = greatest, case.pooled(), output, mean, variance, case(2, case.filters), shift1, EPSILON
        agree(case.kernels.output_tangent(*before), twins.output_tangent(*before))


def test_sums_over_the_places_where_the_relu_is_open(case: Case) -> None:
    output, greatest, greatest1, mean = case.pooled().relu(), case.pooled(), case.pooled(), case.vector()
    of_output, active, sums1 = case.pooled(), case.pooled(), case(2, case.filters)
    agree(*(each.sums(of_output, output, greatest, mean) for each in (case.kernels, twins)))
    before = of_output, output, active, greatest, greatest1, mean, sums1
    agree(*(each.sums_tangent(*before) for each in (case.kernels, twins)))


@pytest.mark.parametrize("counted", [1, None])
def test_a_spread(case: Case, counted: int | None) -> None:
    layer, active, place = case.layer(), case.pooled().relu(), case.place()
    rest = case.vector(), case.vector() ** 2, case(2, case.filters), counted or case.images, EPSILON
    expected = twins.spread(layer, active, case.indices(place), *rest)
    agree(case.kernels.spread(layer, active, place, *rest), expected)


def test_a_spread_tangent(case: Case) -> None:
    before = case.layer(), case.layer(), case.pooled().relu(), case.pooled().relu()
    place, sums = case.place(), [case(2, case.filters) for _ in range(3)]
    rest = case.vector(), case.vector() ** 2, *sums, case.images, EPSILON
    expected = twins.spread_tangent(*before, case.indices(place), *rest)
    agree(case.kernels.spread_tangent(*before, place, *rest), expected)


@pytest.mark.parametrize("before", [0, 2])
@pytest.mark.parametrize(("images", "features", "ways"), [(7, 36, 3), (40, 70, 20)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_the_head(dtype: torch.dtype, images: int, features: int, ways: int, before: int) -> None:
    case = Case(SIZES[0], dtype)
    params, direction = ({"head.weight": case(ways, features), "head.bias": case(ways)} for _ in range(2))
    x, x1 = (case(before + images, features) / features**0.5 for _ in range(2))
    labels = (case(images).abs() * 100).long() % ways
    (loss, found), (expected, twin) = (each.head.loss(params, x, labels) for each in (case.kernels, twins))
    agree((loss, found.probabilities, found.delta), (expected, twin.probabilities, twin.delta))
    gradients = case.kernels.head.gradient(found), twins.head.gradient(twin)
    derivatives = case.kernels.head.derivative(found, x1, direction), twins.head.derivative(twin, x1, direction)
    of_head = case.kernels.head.derivative(found, None, direction), twins.head.derivative(twin, None, direction)
    for (own, of_x), (other, expected) in (gradients, derivatives, of_head):
        agree((of_x, *(own[name] for name in other)), (expected, *other.values()))
    agree(case.kernels.head.outputs(params, x), twins.head.outputs(params, x))


def test_views_with_gaps_are_refused() -> None:
    case = Case(SIZES[0], torch.float32)
    gaps = to(DEVICE, case.layer(2 * case.filters))[..., : case.filters]
    with pytest.raises(AssertionError, match="argument 0"):
        TritonOperations().layer(gaps, to(DEVICE, case.weight()), 1)


WHOLE = [("float64", "ieee"), ("float32", "ieee"), ("float32", "tf32x3")]


@pytest.mark.parametrize(
    ("dtype", "products"), [WHOLE[0], *(pytest.param(*each, marks=pytest.mark.full) for each in WHOLE[1:])]
)
def test_a_whole_meta_gradient(dtype: str, products: str) -> None:
    """Two episodes with different weights, one inner step: the error relative to float64 is at most twice that of the
    twins."""
    case, ways = Case((2, 2, 17, 17, 3, 16), getattr(torch, dtype)), 2
    kernels = OnDevice(TritonOperations(products, {name: Tile(256, 16, 4, 1) for name in shipped_tiles()}, programs=6))
    params = parameters(case.episodes, case.channels, case.filters, case.filters, ways, case.generator)
    labels = torch.arange(ways).repeat(case.episodes, 1)
    support, query = (drawn(case.generator, case.episodes, ways, 3, 17, 17) for _ in range(2))

    def found(operations: object, dtype: torch.dtype) -> Tensor:
        engine = StackedEngine(operations, EPSILON, strided=False, averages=False, bound_bytes=2**40)
        own = {name: value.to(dtype) for name, value in params.items()}
        batch = Episode(support.to(dtype), labels, query.to(dtype), labels)
        gradient = meta_gradient(engine, own, batch, 1)[1]
        return torch.cat([gradient[name].double().flatten(1) for name in sorted(gradient)], 1)

    exact = found(twins, torch.float64)
    away, of_twins = ((found(each, case.dtype) - exact).norm(dim=1) / exact.norm(dim=1) for each in (kernels, twins))
    assert exact.norm() > 0 and (away <= (2 * of_twins).clamp(min=1e-12)).all()
