"""A checkpoint of the paper's code: read, verified, and identified by its content.

`protobuf`, `sorted_table` and `tensor_bundle` read TensorFlow's checkpoints without TensorFlow; `parameters` knows the
variables of the paper's code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.errors import UserError
from bench.files import sha256
from bench.protocols.published_weights import origin, recognise
from bench.tools.authors_weights import tensor_bundle


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """`iteration`: from the checkpoint's name. `files`: name -> SHA-256."""

    name: str
    iteration: int
    files: dict[str, str]
    variables: dict[str, np.ndarray]

    @property
    def origin(self) -> str:
        """What distinguishes this training from others."""
        return origin(self.files)

    def about(self) -> dict[str, Any]:
        """The origin of the weights, for the record."""
        found = recognise(self.files)
        return {"name": found.name if found else f"checkpoint {self.name} ({self.origin})", "files": self.files}


def read(path: Path) -> Checkpoint:
    """The TensorFlow checkpoint in a folder, or with this prefix. Raises UserError."""
    prefix = tensor_bundle.find(path)
    iteration = re.search(r"(?<!\d)\d{1,9}$", prefix.name)
    if iteration is None or int(iteration[0]) == 0:
        raise UserError(f"{prefix}: the name must end in the iteration, as in model59000")
    variables = tensor_bundle.read(prefix)
    files = {file.name: sha256(file) for file in tensor_bundle.files(prefix)}
    return Checkpoint(prefix.name, int(iteration[0]), files, variables)
