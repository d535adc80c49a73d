"""PyTorch weights of a Conv4 that were trained by other code: read, matched, and identified by their content.

`files` reads a state_dict, `modules` finds its layers, `matching` maps its tensors to ours (unless the user's map
does), `layouts` knows the code of five projects, and `fit` finds the network that the weights belong to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.errors import UserError, quantity
from bench.files import sha256
from bench.protocols import published_weights
from bench.tools.state_dicts import files, matching
from bench.tools.state_dicts.matching import BLOCKS, Matching
from methods.contract import Params

_MAP = "the map of its tensors"
_SUFFIXES = {".pth", ".pt", ".th", ".tar", ".ckpt", ".bin", ".safetensors"}
HEAD = ("head.weight", "head.bias")


@dataclass(frozen=True, eq=False)
class Weights:
    """`tensors`: by our names. `sha256`: of the file."""

    path: Path
    sha256: str
    tensors: dict[str, Tensor]
    matching: Matching

    @property
    def files(self) -> dict[str, str]:
        """Name -> SHA-256 of everything that determines the weights: another map of the same file gives other
        weights."""
        text = self.matching.toml().encode()
        return {self.path.name: self.sha256, _MAP: hashlib.sha256(text).hexdigest()}

    @property
    def origin(self) -> str:
        """Eight digits that identify file and map."""
        return published_weights.origin(self.files)

    @property
    def has_head(self) -> bool:
        """Whether the weights include a linear head."""
        return HEAD[0] in self.tensors

    @property
    def statistics(self) -> Params:
        """The running statistics of all norms; empty if some are missing, or if they still have their initial values:
        CloserLookFewShot's MAML has them, but never updates them."""
        names = [f"norm{k}.{part}" for k in BLOCKS for part in ("mean", "variance")]
        found = {name: self.tensors[name] for name in names if name in self.tensors}
        untouched = all(bool((value == float(name.endswith("variance"))).all()) for name, value in found.items())
        return {} if len(found) < len(names) or untouched else found

    def about(self, iterations: int | None = None) -> dict[str, Any]:
        """The origin of the weights, for the record; `iterations`: of their training, if the user gave it."""
        layout = self.matching.layout
        return {
            "name": f"state_dict {self.path.name} ({self.origin})",
            "files": self.files,
            "map": dict(self.matching.places),
            "layout": {"name": layout.name, "source": layout.source},
            "unread": list(self.matching.unread),
            "iterations": iterations,
        }


def is_one(path: Path) -> bool:
    """Whether a path should be read as a state_dict: a file that does not belong to a TensorFlow checkpoint."""
    tensorflow = path.suffix == ".index" or ".data-" in path.name or Path(f"{path}.index").is_file()
    return path.is_file() and not tensorflow


def refuse_folder(path: Path) -> None:
    """Raises UserError for a folder with files of PyTorch but no TensorFlow checkpoint."""
    if path.is_dir() and not any(path.glob("*.index")):
        found = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES)
        if found:
            raise UserError(
                f"{path} holds {quantity(len(found), 'file')} of PyTorch weights: give one, such as {found[0]}"
            )


def read(path: Path, map_file: Path | None = None) -> Weights:
    """The weights in a file. Raises UserError if they are not those of a Conv4, or a value is not finite."""
    tensors, ordered = files.read(path)
    found = (
        matching.match_by_map(path, tensors, map_file) if map_file else matching.match_by_order(path, tensors, ordered)
    )
    ours = {name: tensors[theirs] for name, theirs in found.places.items()}
    for name, theirs in found.places.items():
        if not torch.isfinite(ours[name]).all():
            raise UserError(f"{path}: {theirs} holds values that are not finite")
    return Weights(path, sha256(path), ours, found)
