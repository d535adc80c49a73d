"""Readers of what other programs and users write: TensorFlow's checkpoints, and experiment files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bench.protocols import experiments
from bench.tools.authors_weights import tensor_bundle
from tests.fuzz import inputs, mutated, read, written
from tests.tools.authors_weights.writer import Bundle


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


SHIPPED = [path.read_bytes() for path in experiments.shipped().values()]


@inputs
@given(mutated(*SHIPPED))
def test_experiments(place: Path, data: bytes) -> None:
    read("experiment files", lambda: experiments.read(str(written(place, "experiment.toml", data))))
