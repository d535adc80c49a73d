"""Which fields of a protocol move a method's runs: those of `OF_SOME_METHODS` that it declares, and all others."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields, replace
from typing import Any

from bench.protocols.protocol import OF_SOME_METHODS


def uses(used: Collection[str], name: str) -> bool:
    """Whether a field of a protocol moves runs of a method that uses these settings."""
    return name in used or name not in OF_SOME_METHODS


def as_used(part: Any, used: Collection[str]) -> Any:
    """A part of a protocol with the default of each setting that a method does not use: equal where its runs are."""
    return replace(part, **{f.name: f.default for f in fields(part) if not uses(used, f.name)})
