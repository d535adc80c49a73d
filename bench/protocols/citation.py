"""Where a value of a protocol comes from."""

from __future__ import annotations

from dataclasses import dataclass

Citations = dict[str, "Citation"]


@dataclass(frozen=True)
class Citation:
    """`where` a value stands; `own`: as it stands there, where it was converted; `assumed`: no source gives it."""

    where: str
    own: str = ""
    assumed: bool = False

    def __str__(self) -> str:
        return f"assumed: {self.where}" if self.assumed else self.where
