"""The paper's variables in our network: they give the same outputs as a computation by row, column and channel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.errors import UserError
from bench.networks.conv4 import Conv4, conv4
from bench.protocols import benchmarks, presets
from bench.tools.authors_weights import parameters
from tests.tools.authors_weights.conftest import variables


def theirs(found: dict[str, np.ndarray], images: np.ndarray) -> np.ndarray:
    """maml.py's forward_conv in float64: images [images, height, width, channels] -> outputs [images, ways]."""
    hidden = images.astype(np.float64)
    for k in range(4):
        padded = np.pad(hidden, ((0, 0), (1, 1), (1, 1), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))  # [n, h, w, channels, 3, 3]
        hidden = np.einsum("nhwcij,ijco->nhwo", windows, found[f"model/conv{k + 1}"].astype(np.float64))
        hidden = hidden + found["model/Variable" + f"_{k}" * bool(k)]
        mean, variance = hidden.mean((0, 1, 2)), hidden.var((0, 1, 2))
        hidden = np.maximum(0, (hidden - mean) / np.sqrt(variance + 1e-3) + found[f"model/{k}/beta"])
        n, height, width, channels = hidden.shape
        hidden = hidden[:, : height // 2 * 2, : width // 2 * 2]
        hidden = hidden.reshape(n, height // 2, 2, width // 2, 2, channels).max((2, 4))
    return hidden.reshape(len(hidden), -1) @ found["model/w5"] + found["model/b5"]


def network(filters: int) -> Conv4:
    benchmark = benchmarks.get("miniimagenet-5w1s")
    return conv4(benchmark, replace(presets.paper(benchmark).training, filters=filters))


def test_the_same_outputs_as_theirs() -> None:
    found = variables(3, 4, 5 * 5 * 4, 5)
    images = np.random.default_rng(1).random((3, 84, 84, 3)).astype(np.float32)
    params = parameters.params(found, network(4), 5)
    ours = network(4)({k: v.double() for k, v in params.items()}, torch.from_numpy(images).permute(0, 3, 1, 2).double())
    np.testing.assert_allclose(ours.numpy(), theirs(found, images), rtol=1e-9, atol=1e-9)


def test_every_parameter_is_there() -> None:
    small = network(4)
    params, wanted = parameters.params(variables(3, 4, 100, 5), small, 5), small.init(torch.Generator(), 5)
    assert {k: v.shape for k, v in params.items()} == {k: v.shape for k, v in wanted.items()}
    assert all(value.is_contiguous() and value.dtype == torch.float32 for value in params.values())


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"model/w5": np.zeros((64, 5), np.float32)}, r"model/w5 has shape \[64, 5\], but .* needs \[100, 5\]"),
        ({"model/conv1": np.zeros((3, 3, 1, 4), np.float32)}, r"model/conv1 has shape \[3, 3, 1, 4\]"),
        ({"beta1_power": np.zeros(1, np.float32)}, "beta1_power is not known"),
        ({"model/b5": None}, "model/b5 is missing"),
    ],
)
def test_another_network_is_named(changed: dict[str, np.ndarray | None], expected: str) -> None:
    found = {k: v for k, v in (variables(3, 4, 100, 5) | changed).items() if v is not None}
    with pytest.raises(UserError, match=expected):
        parameters.params(found, network(4), 5)
