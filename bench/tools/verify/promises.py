"""How equal a repeated run must be: bits are promised for equal recorded execution, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.training.execution_record import ExecutionRecord

_OF_ENVIRONMENT = ("processor", "commit")
_PACKAGES = ("torch", "numpy")  # what numbers go through; the others move files, whose sums are compared
# Rounding moves few predictions: how far the mean score may move (an error above 1 by as much of itself) where bits are
# not promised, beside what one query moves it by.
WITHIN = 0.002


def reasons(recorded: ExecutionRecord, here: ExecutionRecord) -> list[str]:
    """Why the bits may differ, a phrase each; empty where they must not."""
    found = [] if recorded.deterministic is not False else ["it ran with --fast"]
    before, now = _facts(recorded), _facts(here)
    found += [
        f"{name} {_shown(before.get(name))} -> {_shown(now[name])}" for name in now if before.get(name) != now[name]
    ]
    return found


def close(recorded: np.ndarray, found: np.ndarray, least: float) -> bool:
    """Whether rounding explains two [episodes] of scores; the mean moves by `least` at the least."""
    if recorded.shape != found.shape:
        return False
    before, now = recorded.mean(), found.mean()
    return bool(abs(before - now) <= WITHIN * max(1.0, abs(before)) + least)


def _facts(how: ExecutionRecord) -> dict[str, Any]:
    """Everything that bits are promised for equal values of."""
    execution, environment = how.stated, how.environment
    execution["device"], _, _ = how.device.partition(":")  # which of several equal ones is no matter
    names = (*_OF_ENVIRONMENT, *(("gpu", "cuda") if execution["device"] == "cuda" else ()))
    packages = environment.get("packages") or {}
    found = execution | {n: environment.get(n) for n in names} | {n: packages.get(n) for n in _PACKAGES}
    return found | {"commit": found["commit"] or environment.get("sources")}  # installed, it has no commit


def _shown(value: Any) -> str:
    if value is None:
        return "(not recorded)"
    return str(value)[:12] if isinstance(value, str) and len(value) in (40, 64) else str(value)
