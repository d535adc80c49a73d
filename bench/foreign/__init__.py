"""Weights that were trained elsewhere: read, verified, and named by their content.

`wire`, `table` and `bundle` read TensorFlow's checkpoints without TensorFlow; `finn` knows the variables of the
paper's code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench import records
from bench.errors import UserError
from bench.foreign import bundle
from bench.protocol import digest


@dataclass(frozen=True)
class Known:
    """Weights whose files are known by their sums. `source`: that of the claims behind which they stand."""

    name: str
    benchmark: str
    source: str


# By the SHA-256 of the data and of the index.
_KNOWN = {
    frozenset(
        {
            "f7e14e6f544371a562441d378f4bc5765431008400cc07a16ad5ed488ea9dea0",
            "1aa0796e828abfecda13d14b8edae381ec2fc00b190a0aee985d05dba4814c4f",
        }
    ): Known("the authors' weights (cbfinn/maml, model59000)", "miniimagenet-5w1s", "Finn et al. 2017 Table 1")
}


def known(files: Mapping[str, str]) -> Known | None:
    """What is known of files with these SHA-256 (by name)."""
    return _KNOWN.get(frozenset(map(str, files.values())))


def origin(files: Mapping[str, str]) -> str:
    """Eight hexadecimal digits that stand for the content of files with these SHA-256 (by name)."""
    return digest(sorted(map(str, files.values())))


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """`iteration`: as the name says. `files`: name -> SHA-256."""

    name: str
    iteration: int
    files: dict[str, str]
    variables: dict[str, np.ndarray]

    @property
    def origin(self) -> str:
        """What the training is told apart by."""
        return origin(self.files)

    def about(self) -> dict[str, Any]:
        """For the record."""
        found = known(self.files)
        return {"name": found.name if found else f"checkpoint {self.name} ({self.origin})", "files": self.files}


def read(path: Path) -> Checkpoint:
    """The TensorFlow checkpoint in a folder, or of a prefix. Raises UserError, one line."""
    prefix = bundle.find(path)
    iteration = re.search(r"(?<!\d)\d{1,9}$", prefix.name)
    if iteration is None or int(iteration[0]) == 0:
        raise UserError(f"{prefix}: the name does not end in the iteration, as in model59000")
    variables = bundle.read(prefix)
    files = {file.name: records.sha256(file) for file in bundle.files(prefix)}
    return Checkpoint(prefix.name, int(iteration[0]), files, variables)
