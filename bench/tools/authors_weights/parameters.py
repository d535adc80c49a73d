"""The variables of Finn et al.'s code (cbfinn/maml, commit a7f45f1, maml.py) as the parameters of our network.

Their images are ordered by row, column and channel: kernels are [height, width, in, out], and the rows of the head are
ordered by height, width, channel. Batch norm has beta only."""

from __future__ import annotations

from collections.abc import Mapping
from math import isqrt

import numpy as np
import torch
from torch import Tensor

from bench.errors import UserError
from bench.networks.conv4 import Conv4
from methods.contract import Params

# The biases of the convolutions have no names of their own, so they are numbered from the second on.
_OURS = {"model/w5": "head.weight", "model/b5": "head.bias"} | {
    theirs: ours
    for k in (1, 2, 3, 4)
    for theirs, ours in {
        f"model/conv{k}": f"conv{k}.weight",
        "model/Variable" + f"_{k - 1}" * (k > 1): f"conv{k}.bias",
        f"model/{k - 1}/beta": f"norm{k}.shift",
    }.items()
}


def params(variables: Mapping[str, np.ndarray], network: Conv4, ways: int) -> Params:
    """The network's parameters, from a checkpoint's variables. Raises UserError if these belong to another network."""
    if variables.keys() != _OURS.keys():
        missing, more = sorted(_OURS.keys() - variables.keys()), sorted(variables.keys() - _OURS.keys())
        wrong = f"{missing[0]} is missing" if missing else f"{more[0]} is not known"
        raise UserError(f"not the variables of the paper's convolutional network: {wrong}")
    wanted = network.init(torch.Generator(), ways)
    return {ours: _convert(theirs, variables[theirs], wanted[ours], network) for theirs, ours in _OURS.items()}


def _convert(name: str, values: np.ndarray, like: Tensor, network: Conv4) -> Tensor:
    """Their values in our layout, whose first dimensions are outputs and inputs."""
    expected = (*like.shape[2:], *like.shape[1::-1])
    if values.shape != expected:
        raise UserError(f"{name} has shape {list(values.shape)}, but this benchmark's network needs {list(expected)}")
    if not np.isfinite(values).all():
        raise UserError(f"{name} holds values that are not finite")
    theirs = torch.from_numpy(values)
    if name == "model/w5":
        size = isqrt(network.feature_count // network.training.filters)
        theirs = theirs.reshape(size, size, network.training.filters, -1)
    ours = theirs.permute(3, 2, 0, 1) if theirs.ndim == 4 else theirs
    return ours.reshape(like.shape).contiguous()
