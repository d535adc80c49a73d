"""Readers of weights and of unfinished trainings."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from bench.protocols.protocol import Protocol
from bench.records import layout, weights
from bench.training import outer_loop
from bench.training.watch import Interrupted
from methods import contract
from tests.fuzz import HOSTILE_TEXT, inputs, mutated, mutated_json, read, written
from tests.training.test_outer_loop import Make, together, watch

CPU = torch.device("cpu")
TENSORS = [torch.zeros(0), torch.tensor(float("nan")), torch.ones(3, 3, dtype=torch.bfloat16), torch.ones(2).cfloat()]
KINDS = [torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.bool, torch.float8_e4m3fn]


@dataclass(repr=False)
class Unfinished:
    """Two seeds with one iteration left, their initial states, and the first one's checkpoint."""

    trainer: outer_loop.Trainer
    initial: list[contract.State]
    path: Path
    valid: bytes


@pytest.fixture
def unfinished(make: Make, tiny_protocol: Protocol) -> Unfinished:
    trainer, initial = together(make, tiny_protocol, "pair")
    with pytest.raises(Interrupted):
        trainer.run(trainer.prepare(initial), watch(5))
    path = trainer.folders[0] / layout.CHECKPOINT
    assert trainer.prepare(initial)[0].iteration == 5
    return Unfinished(trainer, initial, path, path.read_bytes())


@settings(inputs, max_examples=inputs.max_examples // 3)  # a training each
@given(st.data())
def test_checkpoints(unfinished: Unfinished, data: Any) -> None:
    """A checkpoint that can be read is trained from."""
    path, valid = written(unfinished.path.parent, unfinished.path.name, unfinished.valid), unfinished.valid
    if data.draw(st.booleans()):
        path.write_bytes(data.draw(mutated(valid)))
    else:
        tensors, about = weights.load(path, CPU)
        changed = data.draw(_changed(tensors))
        about = data.draw(st.just(about) | mutated_json(about))
        try:
            path.write_bytes(safetensors.torch.save(changed, {"about": json.dumps(about)}))  # a sum may be missing
        except KeyError:  # old versions of safetensors cannot write complex numbers
            reject()
    trainer = unfinished.trainer
    read("checkpoints", lambda: trainer.run(trainer.prepare(unfinished.initial), watch()))


def _changed(tensors: dict[str, torch.Tensor]) -> st.SearchStrategy[dict[str, torch.Tensor]]:
    """The tensors, unchanged, or with one renamed, left out, or of another shape, type or content."""
    names = st.sampled_from(sorted(tensors))

    def change(name: str, kind: str, text: str, tensor: torch.Tensor, dtype: torch.dtype) -> dict[str, torch.Tensor]:
        found = dict(tensors)
        old = found.pop(name)
        new = {"shape": old.flatten()[:1], "kind": old.to(dtype), "other": tensor}
        return found | {"gone": {}, "renamed": {text: old}, "same": {name: old}}.get(kind, {name: new.get(kind)})

    kinds = st.sampled_from(["gone", "renamed", "shape", "kind", "other", "same", "same"])
    return st.builds(change, names, kinds, HOSTILE_TEXT, st.sampled_from(TENSORS), st.sampled_from(KINDS))


@inputs
@given(st.data())
def test_weights(place: Path, data: Any) -> None:
    path = place / "weights.safetensors"
    weights.save(path, {"params.a": torch.arange(6.0).reshape(2, 3), "carried.b": torch.ones(1)}, {"x": 1})
    written(place, path.name, data.draw(mutated(path.read_bytes())))
    read("weights", lambda: weights.load_state(path, CPU))
