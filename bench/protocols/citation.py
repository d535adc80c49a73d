"""The source of a value in a protocol."""

from __future__ import annotations

from dataclasses import dataclass

Citations = dict[str, "Citation"]


@dataclass(frozen=True)
class Citation:
    """The source of a value. `where`: the place; `own`: the value in the source, if it was converted; `assumed`: no
    source gives it."""

    where: str
    own: str = ""
    assumed: bool = False

    def __str__(self) -> str:
        return f"assumed: {self.where}" if self.assumed else self.where
