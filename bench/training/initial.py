"""A method built for a benchmark, and its state before the first iteration."""

from __future__ import annotations

import hashlib
from functools import cache

import torch

from methods.contract import Method, Setup, State


@cache
def build(kind: type[Method], setup: Setup) -> Method:
    return kind(setup)


def initial_state(method: Method, seed: int) -> State:
    """What training starts from: keyed by the seed alone, so that methods of one shape start from the same weights."""
    key = hashlib.sha256(f"init/{seed}".encode()).digest()
    return method.init(torch.Generator().manual_seed(int.from_bytes(key[:8], "little") >> 1))
