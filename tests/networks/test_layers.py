"""Every implementation of convolution and pooling: equal values and derivatives, and the published padding."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch.utils._pytree import tree_map

from bench.networks import channel_statistics
from bench.networks.layers import (
    LAYERS,
    Layers,
    masked_max_pool,
    native_batch_norm,
    native_convolution,
    native_max_pool,
)
from bench.networks.pooled_block import pooled_block


@pytest.fixture(params=list(LAYERS))
def layers(request: pytest.FixtureRequest) -> Layers:
    return LAYERS[request.param]


def random(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize(("size", "out", "corner"), [(28, 14, 1.0), (14, 7, 1.0), (7, 4, 0.0), (4, 2, 1.0)])
def test_stride_two_pads_as_tensorflow_does(layers: Layers, size: int, out: int, corner: float) -> None:
    """28 -> 14 -> 7 -> 4 -> 2: (0, 1) on even sizes, (1, 1) on odd ones."""
    weight = torch.zeros(64, 1, 3, 3)
    weight[:, :, 0, 0] = 1  # reads the upper left of its window: the image's own corner where nothing is padded there
    found = layers.convolution(torch.ones(1, size, size, 1), weight, torch.zeros(64), 2)
    assert found.shape[1:3] == (out, out) and found[0, 0, 0, 0] == corner


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [5, 6])
def test_convolutions_are_torchs(layers: Layers, stride: int, size: int) -> None:
    images, weight, bias = random(2, size, size, 3), random(4, 3, 3, 3), random(4)
    before = 0 if stride == 2 and size % 2 == 0 else 1
    padded = F.pad(images.movedim(-1, 1), (before, 1, before, 1))
    expected = F.conv2d(padded, weight, bias, stride=stride).movedim(1, -1)
    torch.testing.assert_close(layers.convolution(images, weight, bias, stride), expected)


def test_pooling_is_torchs(layers: Layers) -> None:
    images = random(2, 5, 6, 3).requires_grad_()
    reference = images.detach().clone().requires_grad_()
    found = layers.max_pool(images)
    expected = F.max_pool2d(reference.movedim(-1, 1), 2).movedim(1, -1)
    assert torch.equal(found, expected)
    weights = random(*found.shape)
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    assert torch.equal(images.grad, reference.grad)


def test_equals_share_the_gradient_of_a_masked_pooling() -> None:
    images = torch.tensor([[3.0, 3.0], [1.0, 3.0]])[None, :, :, None].requires_grad_()
    masked_max_pool(images).sum().backward()
    torch.testing.assert_close(images.grad[0, :, :, 0], torch.tensor([[1.0, 1.0], [0.0, 1.0]]) / 3)


def test_batch_norms_are_one(layers: Layers) -> None:
    images, scale, shift = random(6, 7, 5, 4) + 3, random(4), random(4)
    expected = F.batch_norm(images.movedim(-1, 1), None, None, scale, shift, training=True, eps=1e-3).movedim(1, -1)
    torch.testing.assert_close(layers.batch_norm(images, scale, shift, 1e-3), expected)


@pytest.mark.parametrize("stride", [1, 2])
def test_first_and_second_derivatives_are_finite_differences(layers: Layers, stride: int) -> None:
    def block(images: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        hidden = layers.convolution(images, weight, bias, stride)
        return layers.max_pool(layers.batch_norm(hidden, bias.exp(), bias, 1e-3).tanh())

    inputs = tuple(tensor.requires_grad_() for tensor in (random(1, 5, 5, 2), random(2, 2, 3, 3), random(2)))
    assert gradcheck(block, inputs) and gradgradcheck(block, inputs)


def block_of_layers(images: Tensor, weight: Tensor, bias: Tensor, shift: Tensor) -> Tensor:
    layer = native_convolution(images, weight, bias, 1)
    return native_max_pool(F.relu(native_batch_norm(layer, torch.ones_like(shift), shift, 1e-3)))


def block_of_one(images: Tensor, weight: Tensor, bias: Tensor, shift: Tensor) -> Tensor:
    return pooled_block(images, weight, bias, shift, 1e-3)[0]


@pytest.fixture
def inputs() -> tuple[Tensor, ...]:
    """Inputs whose pooling windows leave a row and a column over; some ReLUs are closed."""
    found = random(2, 5, 7, 2) + 2, random(3, 2, 3, 3), random(3), random(3) - 1
    assert 0.1 < float((block_of_one(*found) == 0).double().mean()) < 0.9
    return tuple(tensor.requires_grad_() for tensor in found)


def test_a_block_in_one_function_is_its_layers(inputs: tuple[Tensor, ...]) -> None:
    found, expected = block_of_one(*inputs), block_of_layers(*inputs)
    torch.testing.assert_close(found, expected)
    weights = random(*found.shape)
    ours, theirs = (torch.autograd.grad((made * weights).sum(), inputs) for made in (found, expected))
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("data", [0, 1], ids=["all is differentiated", "images are data"])
def test_a_block_in_one_function_has_both_derivatives(inputs: tuple[Tensor, ...], data: int) -> None:
    given, moved = [tensor.detach() for tensor in inputs[:data]], inputs[data:]
    assert gradcheck(lambda *some: block_of_one(*given, *some), moved)
    assert gradgradcheck(lambda *some: block_of_one(*given, *some), moved)


@pytest.mark.parametrize("moved", [(0, 1), (0,), (1,)], ids=["both", "the first", "the second"])
def test_blocks_that_the_inner_loop_leaves_alone_get_their_outer_gradient(moved: tuple[int, ...]) -> None:
    """Two blocks, some of which an inner step changes: the gradient must also pass through a block that it does not
    change."""
    images, scales = random(3, 9, 9, 2), random(3, 2, 2, 3)
    first, second = (random(3, 2, 3, 3), random(3), random(3)), (random(3, 3, 3, 3), random(3) + 1, random(3))

    def outer(blocks: list[tuple[Tensor, ...]], block: Callable[..., Tensor]) -> Tensor:
        def loss(inner: list[tuple[Tensor, ...]]) -> Tensor:
            parts = dict(zip(moved, inner, strict=True))
            chosen = [parts.get(k, given) for k, given in enumerate(blocks)]
            return (block(block(images, *chosen[0]), *chosen[1]) * scales).sin().sum()

        inner = [blocks[k] for k in moved]
        step = tree_map(lambda value, slope: value - 0.1 * slope, inner, torch.func.grad(loss)(inner))
        return loss(step)

    ours, theirs = (torch.func.grad(outer)([first, second], block) for block in (block_of_one, block_of_layers))
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)


def test_pooling_first_goes_to_the_greatest_that_torchs_own_takes() -> None:
    images, weight = torch.rand(1, 4, 4, 1).repeat_interleave(2, 1).repeat_interleave(2, 2), torch.zeros(1, 1, 3, 3)
    weight[0, 0, 1, 1] = 1  # the layer is the images, and the four of every window are equal
    others = weight, torch.zeros(1), torch.ones(1)
    found, expected = (
        torch.autograd.grad(block(moved := images.clone().requires_grad_(), *others)[0, 0].sum(), moved)[0]
        for block in (block_of_one, block_of_layers)
    )
    torch.testing.assert_close(found, expected)


def test_sums_over_many_images_are_good_to_float32() -> None:
    """As many values as in a layer of miniImageNet, far from zero: torch's own sum over a channel is off by 5e-5
    there."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(25, 84, 84, 4, generator=generator) + 3
    cotangent = torch.randn(25, 84, 84, 4, generator=generator)
    exact, other = images.double(), cotangent.double()
    mean, variance = channel_statistics.one_pass_mean_and_variance(images)
    torch.testing.assert_close(mean.double(), exact.mean((0, 1, 2)), rtol=3e-6, atol=0)
    torch.testing.assert_close(variance.double(), exact.var((0, 1, 2), correction=0), rtol=3e-6, atol=0)
    total, products = channel_statistics.channel_sums(cotangent, images, mean)
    size = float(other.norm())  # what a sum of so many random signs comes to
    torch.testing.assert_close(total.double(), other.sum((0, 1, 2)), rtol=0, atol=3e-6 * size)
    expected = (other * (exact - mean.double())).sum((0, 1, 2))
    torch.testing.assert_close(products.double(), expected, rtol=0, atol=3e-6 * size)
