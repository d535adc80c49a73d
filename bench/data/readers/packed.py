"""A few large files out of an archive, into memory."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from bench.data.readers.archives import read_archives
from bench.errors import UserError


def read_members(path: Path, names: Collection[str]) -> dict[str, bytes]:
    """Member -> content. Raises UserError where one is not in the archive, or that is damaged, dangerous or too
    large."""
    found = read_archives([path], tuple(names))
    members = {name: next((m for m in found if m.endswith(name)), None) for name in names}
    if lost := [name for name, member in members.items() if member is None]:
        raise UserError(f"{path}: {lost[0]} is not in it: get it again")
    return {name: found[member] for name, member in members.items() if member}
