"""How equal a repeated run must be: equal bits are promised for an equal recorded execution, and only then."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.training.execution_record import ExecutionRecord

_OF_ENVIRONMENT = ("processor", "commit")
_PACKAGES = ("torch", "numpy")  # they compute; others handle files, whose checksums are compared
# If bits are not promised: how much the mean score may change (relative, for errors above 1), besides the change by one
# query. Rounding changes few predictions.
WITHIN = 0.002


def reasons(recorded: ExecutionRecord, here: ExecutionRecord) -> list[str]:
    """Why the bits may differ, one phrase each; empty if they must be equal."""
    found = [] if recorded.deterministic is not False else ["it ran with --fast"]
    before, now = _facts(recorded), _facts(here)
    found += [
        f"{name} {_value_text(before.get(name))} -> {_value_text(now[name])}"
        for name in now
        if before.get(name) != now[name]
    ]
    return found


def close(recorded: np.ndarray, found: np.ndarray, least: float) -> bool:
    """Whether rounding can explain the difference between two arrays of scores [episodes]; `least`: the smallest
    possible change of the mean."""
    if recorded.shape != found.shape:
        return False
    before, now = recorded.mean(), found.mean()
    return bool(abs(before - now) <= WITHIN * max(1.0, abs(before)) + least)


def _facts(how: ExecutionRecord) -> dict[str, Any]:
    """Everything that must be equal for equal bits."""
    execution, environment = how.stated, how.environment
    execution["device"], _, _ = how.device.partition(":")  # the index does not matter
    names = (*_OF_ENVIRONMENT, *(("gpu", "cuda") if execution["device"] == "cuda" else ()))
    packages = environment.get("packages") or {}
    found = execution | {n: environment.get(n) for n in names} | {n: packages.get(n) for n in _PACKAGES}
    return found | {"commit": found["commit"] or environment.get("sources")}  # an installed package has no commit


def _value_text(value: Any) -> str:
    if value is None:
        return "(not recorded)"
    return str(value)[:12] if isinstance(value, str) and len(value) in (40, 64) else str(value)
