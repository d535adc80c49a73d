"""Reads one array from a NumPy archive without unpickling anything."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from bench.data.readers.packed import on_disk
from bench.errors import UserError, reason

MOST_RATIO = 1032  # the largest compression of deflate: a larger claim is false


def read_npz(path: Path, name: str) -> np.ndarray:
    """The array with this name. Raises UserError if there is none, or if the archive is damaged, claims an impossible
    size, or contains objects."""
    try:
        with zipfile.ZipFile(on_disk(path)) as archive:
            members = {member.filename: member for member in archive.infolist()}
            if f"{name}.npy" not in members:
                raise UserError(
                    f"{path}: it holds {', '.join(sorted(members))[:80]}, but not {name!r}: use a copy that has it"
                )
            if members[f"{name}.npy"].file_size > MOST_RATIO * path.stat().st_size:
                raise ValueError("it claims to hold more than it can")
        with np.load(path, allow_pickle=False) as arrays:
            return arrays[name]
    except UserError:
        raise
    except Exception as error:  # a damaged or hostile archive may raise anything
        raise UserError(
            f"{path}: damaged, or not a NumPy archive of plain arrays ({reason(error)}): get it again"
        ) from error
