"""Whether a value chosen on validation lies at the edge of the candidates: a better one may then lie beyond the edge,
and the score is a lower bound of what the method can do. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Edges = dict[str, str]  # a chosen setting, or `step` -> `least`, `greatest` or `last`


def edges(candidates: Sequence[Mapping[str, Any]], setting: Mapping[str, Any], step: int, last: int) -> Edges:
    """The chosen values that lie at an edge, given the candidates and the inner steps 0 to `last`. A number is compared
    among the candidates whose settings that are not numbers equal the chosen ones. If step 0 was chosen, the settings
    had no effect and are not compared; with fewer than two candidates there was no choice."""
    if len(candidates) < 2 or step == 0 < last:
        return {}
    numbers = {name: value for name, value in setting.items() if _is_number(value)}
    alike = [c for c in candidates if all(c.get(name) == setting[name] for name in setting.keys() - numbers.keys())]
    found = {name: _place(value, {c[name] for c in alike if name in c}) for name, value in numbers.items()}
    return {name: place for name, place in found.items() if place} | ({"step": "last"} if step == last > 0 else {})


def grid_of(info: Mapping[str, Any]) -> tuple[str, dict[str, float | None]] | None:
    """The candidate of a grid that was chosen to be tested, and the validation score of each candidate, as stored in an
    evaluation's `info`. Returns None if there was no grid, or if its entry is malformed."""
    told = info.get("grid")
    if not isinstance(told, dict):
        return None
    names, scores, chosen = (told.get(name) for name in ("candidates", "valid_scores", "chosen"))
    if not isinstance(names, list) or not isinstance(scores, list) or len(names) != len(scores) or chosen not in names:
        return None
    return str(chosen), {str(n): s if _is_number(s) else None for n, s in zip(names, scores, strict=True)}


def edges_text(found: Edges) -> str:
    """The edges as text, such as `greatest lr, last step`; empty if there are none."""
    return ", ".join(f"{place} {name}" for name, place in found.items())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _place(value: float, among: set[Any]) -> str:
    if len(among) < 2:
        return ""
    return "least" if value == min(among) else "greatest" if value == max(among) else ""
