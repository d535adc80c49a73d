"""Builds a method for a benchmark, and its state before the first iteration."""

from __future__ import annotations

import hashlib
from functools import cache

import torch

from methods.contract import Method, Params, Setup, State

IN_TURN = "episodes_in_turn"  # an optional attribute of methods (`methods.contract`)
EVERY_EPISODES = "episode."  # prefix of carried tensors that each episode starts from: they are initialised again


@cache
def build(kind: type[Method], setup: Setup) -> Method:
    return kind(setup)


def for_other_ways(state: State, wanted: State) -> State | None:
    """A trained state in the shapes of `wanted`, an initial state for another number of ways: the head keeps its first
    outputs. Returns None if the head has too few."""
    fresh = {name: value for name, value in wanted.carried.items() if name.startswith(EVERY_EPISODES)}
    parts = [_cut(state.params, wanted.params), _cut(state.carried | fresh, wanted.carried)]
    return None if None in parts else State(*parts)  # type: ignore[arg-type]


def _cut(have: Params, wanted: Params) -> Params | None:
    if have.keys() != wanted.keys():
        return None
    cut = {name: value[: len(wanted[name])] if wanted[name].dim() else value for name, value in have.items()}
    return cut if all(value.shape == wanted[name].shape for name, value in cut.items()) else None


def initial_state(method: Method, seed: int) -> State:
    """The state that training starts from. It depends on the seed alone, so that methods of the same shape start from
    the same weights."""
    key = hashlib.sha256(f"init/{seed}".encode()).digest()
    return method.init(torch.Generator().manual_seed(int.from_bytes(key[:8], "little") >> 1))


def in_turn_of(method: Method) -> bool:
    """Whether the episodes of a meta-batch are processed one after the other."""
    return getattr(method, IN_TURN, False)
