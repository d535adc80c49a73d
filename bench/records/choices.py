"""Whether what validation chose lies at the edge of what there was to choose from: the best may then lie beyond it, and
the score is a lower bound of what the method can do. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Edges = dict[str, str]  # what was chosen, a setting or the `step` -> `least`, `greatest` or `last`


def edges(candidates: Sequence[Mapping[str, Any]], setting: Mapping[str, Any], step: int, last: int) -> Edges:
    """What lies at an edge of a choice between candidates and steps 0 to `last`. A number is compared with those of the
    candidates that have the same words; where no step was taken, its settings play no part. One candidate is no
    choice."""
    if len(candidates) < 2 or step == 0 < last:
        return {}
    numbers = {name: value for name, value in setting.items() if _is_number(value)}
    alike = [c for c in candidates if all(c.get(name) == setting[name] for name in setting.keys() - numbers.keys())]
    found = {name: _place(value, {c[name] for c in alike if name in c}) for name, value in numbers.items()}
    return {name: place for name, place in found.items() if place} | ({"step": "last"} if step == last > 0 else {})


def grid_of(info: Mapping[str, Any]) -> tuple[str, dict[str, float | None]] | None:
    """The candidate of a grid that was chosen to be tested, and the validation score of each, as an evaluation's `info`
    stores it; None where there was no grid, or what the record says of one is none."""
    told = info.get("grid")
    if not isinstance(told, dict):
        return None
    names, scores, chosen = (told.get(name) for name in ("candidates", "valid_scores", "chosen"))
    if not isinstance(names, list) or not isinstance(scores, list) or len(names) != len(scores) or chosen not in names:
        return None
    return str(chosen), {str(n): s if _is_number(s) else None for n, s in zip(names, scores, strict=True)}


def said(found: Edges) -> str:
    """Such as `greatest lr, last step`; nothing where all lies inside."""
    return ", ".join(f"{place} {name}" for name, place in found.items())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _place(value: float, among: set[Any]) -> str:
    if len(among) < 2:
        return ""
    return "least" if value == min(among) else "greatest" if value == max(among) else ""
