"""Which settings affect a method's runs: those of `OF_SOME_METHODS` that it declares, and all others."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields, replace
from typing import Any

from bench.protocols.protocol import OF_SOME_METHODS

# Settings that were added later, each with one that the same methods used before: records of that time do not name it.
_WITH = {"inner_loss": "inner_batch"}


def uses(used: Collection[str], name: str) -> bool:
    """Whether a setting affects the runs of a method that uses these settings."""
    return name in used or _WITH.get(name) in used or name not in OF_SOME_METHODS


def as_used(part: Any, used: Collection[str]) -> Any:
    """A part of a protocol with defaults for the settings that a method does not use: equal parts give equal runs."""
    return replace(part, **{f.name: f.default for f in fields(part) if not uses(used, f.name)})


def length_matters(training: Any, used: Collection[str]) -> bool:
    """Whether the first iterations of a training depend on how many there are in all: by the schedule of its learning
    rate, or by that of a multi-step loss without epochs."""
    return training.meta_lr_final is not None or ("multi_step_epochs" in used and training.multi_step_epochs is None)
