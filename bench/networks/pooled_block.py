"""A block of the network as one function, with both derivatives written out: convolution, max-pooling, batch norm
without a scale, ReLU. A block with a scale can be written in the same way (`bench.networks.conv4`).

Batch norm without a scale and ReLU are increasing, so the maximum of a window stays the maximum: only a quarter of the
numbers has to be normalised, and only sums are needed of the whole layer. Second order differentiates the derivatives
again. Autograd would need many passes over the whole layer, a convolution with a kernel as large as the image for the
weights, and gradients even for images that are data; here a few passes and two products suffice.

As in PyTorch, `grad_x` is the gradient with respect to x, and `gg_x` the cotangent of `grad_x` in the second
derivative. For a channel with n pixels, s (`scale`) is (variance + epsilon) ** -0.5, a (`active`) is `grad_output`
where the ReLU is active, A (`total`) its sum and B (`products`) the sum of its product with (greatest - mean):

    output  = relu(s (greatest - mean) + shift)
    spread  = (s a + grad_greatest) at the maxima + (grad_mean - s A) / n
              + (2 grad_variance - s**3 B) (layer - mean) / n + grad_layer,    the gradient of the layer
    through = the cotangent of the spread: a convolution of the cotangents of the images' and of the weight's gradient

The second derivative is the gradient of <spread, through> + <A, gg_shift> with respect to everything that the spread is
computed from, written as cotangents of the layer, its maxima, its mean and its variance, which `_Block` takes back.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.networks.channel_statistics import channel_sums, one_pass_mean_and_variance
from bench.networks.stacked import torch_places


def pooled_block(
    images: Tensor, weight: Tensor, bias: Tensor, shift: Tensor, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    """A block applied to images [images, rows, columns, channels], padded by one, with `weight` [filters, channels, 3,
    3]: [images, rows // 2, columns // 2, filters], and the layer's mean and variance [filters]. Twice differentiable,
    as second order requires; not for use under `vmap`."""
    # With normal strides: with one channel the memory format is ambiguous, and torch would transpose the whole layer.
    images = images.contiguous().view(-1).view(images.shape)
    output, _, _, mean, variance, _ = _Block.apply(images, weight, bias, shift, epsilon)
    return output, mean, variance


class _Block(torch.autograd.Function):
    """Returns more than the output: the derivatives are computed from these results, whose own derivatives come back
    here."""

    @staticmethod
    def forward(images: Tensor, weight: Tensor, bias: Tensor, shift: Tensor, epsilon: float) -> tuple[Tensor, ...]:
        layer = _convolve(images, weight, bias)
        pooled = F.max_pool2d(layer.permute(0, 3, 1, 2), 2, return_indices=True)
        greatest, places = (each.permute(0, 2, 3, 1) for each in pooled)
        mean, variance = one_pass_mean_and_variance(layer)
        scale = torch.rsqrt(variance + epsilon)
        output = torch.addcmul(shift - mean * scale, greatest, scale).relu_()
        return output, layer, greatest, mean, variance, places

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.mark_non_differentiable(output[-1])
        ctx.set_materialize_grads(False)
        ctx.epsilon = inputs[-1]
        ctx.save_for_backward(*inputs[:2], *output)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor | None, *grad_rest: Tensor | None) -> tuple[Tensor | None, ...]:
        if grad_output is None:
            grad_output = torch.zeros_like(ctx.saved_tensors[2])
        how = ctx.epsilon, ctx.needs_input_grad[0]
        return *_Backward.apply(*ctx.saved_tensors, grad_output, *grad_rest[:-1], *how), None


class _Backward(torch.autograd.Function):
    """The gradients of images (None if the inner gradient does not need them), weight, bias and shift."""

    @staticmethod
    def forward(images: Tensor, weight: Tensor, *rest: Any) -> tuple[Tensor | None, ...]:
        *tensors, epsilon, wanted = rest
        found = _Cotangents(*tensors, epsilon=epsilon)
        return *_back(found.spread(), images, weight, wanted, bias=True), found.total

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor | None, ...]) -> None:
        *tensors, ctx.epsilon, ctx.wanted = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(
        ctx: Any, gg_images: Any, gg_weight: Tensor, gg_bias: Tensor, gg_shift: Tensor
    ) -> tuple[Tensor | None, ...]:
        images, weight, *tensors = ctx.saved_tensors
        at = _Cotangents(*tensors, epsilon=ctx.epsilon)
        through = _convolve(images, gg_weight, gg_bias)
        if ctx.wanted:
            through += _convolve(gg_images, weight, None)
        # The gradients are linear in the images and in the weight: with these replaced by their cotangents, the same
        # product gives the derivatives for both. Only the outer loop may need gradients of images, or nobody.
        grad_images = grad_weight = None
        if ctx.wanted or ctx.needs_input_grad[0]:
            exchanged = gg_images if ctx.wanted else images
            grad_images, grad_weight, _ = _back(
                at.spread(), exchanged, gg_weight, ctx.needs_input_grad[0], weight=ctx.wanted, bias=False
            )

        cube = at.scale**3
        average, product = (each / at.count for each in channel_sums(through, at.layer, at.mean))
        if through.is_cuda:
            picked = torch_places.gather(through, at.places)
        else:
            picked = _rows(through).gather(1, _rows(at.places)).view(at.places.shape)
        overlap = channel_sums(at.active, picked, torch.zeros_like(average))[1]
        constant = gg_shift - average * at.scale + cube * product * at.mean
        grad_active = torch.addcmul(constant, picked, at.scale).addcmul_(at.greatest, -cube * product)
        grad_scale = overlap - at.total * average - 3 * at.scale**2 * at.products * product
        grad_given = through, picked, average, 2 * product
        return (
            grad_images,
            grad_weight,
            None,  # of the output, only where it is positive matters
            through * (2 * at.grad_variance / at.count),
            -cube * product * at.active,
            cube * product * at.total - 2 * at.grad_variance * average,
            -cube * grad_scale / 2,
            None,
            torch.ops.aten.threshold_backward(grad_active, tensors[0], 0),
            *(None if given is None else grad for given, grad in zip(tensors[-4:], grad_given, strict=True)),
            None,
            None,
        )


class _Cotangents:
    """The cotangents of the layer, of its window maxima, its mean and its variance, from those of a block's results."""

    def __init__(
        self,
        output: Tensor,
        layer: Tensor,
        greatest: Tensor,
        mean: Tensor,
        variance: Tensor,
        places: Tensor,
        grad_output: Tensor,
        grad_layer: Tensor | None,
        grad_greatest: Tensor | None,
        grad_mean: Tensor | None,
        grad_variance: Tensor | None,
        *,
        epsilon: float,
    ) -> None:
        self.layer, self.greatest, self.mean, self.places, self.grad_layer = layer, greatest, mean, places, grad_layer
        self.count, self.scale = layer[..., 0].numel(), torch.rsqrt(variance + epsilon)
        self.active = torch.ops.aten.threshold_backward(grad_output, output, 0)
        self.total, self.products = channel_sums(self.active, greatest, mean)
        self.grad_greatest = _plus(self.active * self.scale, grad_greatest)
        self.grad_mean = _plus(-self.scale * self.total, grad_mean)
        self.grad_variance = _plus(-(self.scale**3) * self.products / 2, grad_variance)

    def spread(self) -> Tensor:
        """The gradient of the layer; see the formula above."""
        slope = 2 * self.grad_variance / self.count
        found = torch.addcmul(self.grad_mean / self.count - slope * self.mean, self.layer, slope)
        if found.is_cuda:  # where a scatter would have to sort first
            torch_places.add_at(found, self.places, self.grad_greatest)
        else:
            rows = found.view(len(found), -1, found.shape[-1])  # never a copy, which would lose what is added
            rows.scatter_add_(1, _rows(self.places), _rows(self.grad_greatest))
        return _plus(found, self.grad_layer)


def _plus(found: Tensor, given: Tensor | None) -> Tensor:
    """Adds in place, to a tensor that was just created."""
    return found if given is None else found.add_(given)


def _rows(images: Tensor) -> Tensor:
    """[images, rows, columns, channels] -> [images, places, channels]."""
    return images.flatten(1, 2)


def _convolve(images: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return F.conv2d(images.permute(0, 3, 1, 2), weight, bias, padding=1).permute(0, 2, 3, 1)


def _back(
    cotangent: Tensor, images: Tensor, kernel: Tensor, wanted: bool, weight: bool = True, bias: bool = True
) -> tuple[Tensor | None, ...]:
    """Torch's backward of a convolution: the gradients of images, weight and bias, each if wanted."""
    grad_images, grad_weight, grad_bias = torch.ops.aten.convolution_backward(
        cotangent.permute(0, 3, 1, 2), images.permute(0, 3, 1, 2), kernel, [len(kernel)], [1, 1], [1, 1], [1, 1],
        False, [0, 0], 1, [wanted, weight, bias],
    )  # fmt: skip
    return grad_images.permute(0, 2, 3, 1) if wanted else None, grad_weight, grad_bias
