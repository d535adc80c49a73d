"""Readers of files written by other programs and by users: checkpoints of TensorFlow and PyTorch, and experiment
files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.protocols import experiments
from bench.tools.authors_weights import tensor_bundle
from bench.tools.state_dicts import matching
from bench.tools.state_dicts import weights as weights_module
from bench.tools.state_dicts.layouts import UNKNOWN
from tests.fuzz import inputs, mutated, read, written
from tests.tools.authors_weights.writer import Bundle
from tests.tools.state_dicts.theirs import Torchmeta


@inputs
@given(st.data())
def test_tensorflow_checkpoints(place: Path, data: Any) -> None:
    prefix = Bundle({"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b/c": np.ones(1, np.float32)}).write(
        place / "model7"
    )
    index, values = tensor_bundle.files(prefix)
    written(place, index.name, data.draw(mutated(index.read_bytes()) | st.just(index.read_bytes())))
    written(place, values.name, data.draw(mutated(values.read_bytes()) | st.just(values.read_bytes())))
    read("TensorFlow checkpoints", lambda: tensor_bundle.read(prefix))


SHIPPED = [path.read_bytes() for path in experiments.shipped_experiments().values()]


@inputs
@given(mutated(*SHIPPED))
def test_experiments(place: Path, data: bytes) -> None:
    read("experiment files", lambda: experiments.read(str(written(place, "experiment.toml", data))))


def _saved(format: str) -> bytes:
    """A state_dict of four small blocks and a head."""
    network = Torchmeta(1, 1, filters=1)
    found, buffer = {"state_dict": network.state_dict()}, io.BytesIO()
    if format == "safetensors":
        return safetensors.torch.save(network.state_dict())
    torch.save(found, buffer, _use_new_zipfile_serialization=format == "zip")
    return buffer.getvalue()


SAVED = [_saved(format) for format in ("zip", "legacy", "safetensors")]


@inputs
@given(mutated(*SAVED))
def test_state_dicts(place: Path, data: bytes) -> None:
    read("PyTorch state_dicts", lambda: weights_module.read(written(place, "weights.pth", data)))


MAP = matching.Matching({"conv1.weight": "features.layer1.conv.weight"}, UNKNOWN, ()).toml().encode()


@inputs
@given(mutated(MAP))
def test_maps_of_state_dicts(place: Path, data: bytes) -> None:
    weights = written(place, "weights.pth", SAVED[0])
    read("maps of state_dicts", lambda: weights_module.read(weights, written(place, "map.toml", data)))
