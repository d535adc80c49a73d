"""Checks and converts the values of an experiment's `[[run]]` keys."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bench.errors import UserError
from bench.protocols.settings import takes_list

MOST_SEEDS, HIGHEST_SEED = 1000, 2**31 - 1  # per command
MOST_CANDIDATES = 100  # per [[run]]


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(name, str) for name in value):
        raise UserError('write a list of names, such as ["maml"]')
    return tuple(dict.fromkeys(value))


def _seeds(value: Any) -> tuple[int, ...]:
    named = list(range(value)) if type(value) is int and 0 < value <= MOST_SEEDS else value
    if not isinstance(named, list) or not named or not all(map(_is_seed, named)):
        raise UserError(f"write a number of seeds (1 to {MOST_SEEDS}), or a list of seeds from 0 to {HIGHEST_SEED}")
    return tuple(sorted(set(named)))


def _is_seed(value: object) -> bool:
    return type(value) is int and 0 <= value <= HIGHEST_SEED


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise UserError('write a name, such as "paper"')
    return value


def _settings(value: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict):
        raise UserError("write a table, such as { iterations = 2000 }")
    found = {name: _alternatives(name, each) for name, each in _flat(value)}
    if (count := math.prod(map(len, found.values()))) > MOST_CANDIDATES:
        raise UserError(f"its lists make {count} combinations: at most {MOST_CANDIDATES} are allowed")
    return found


def _alternatives(name: str, value: Any) -> tuple[str, ...]:
    """The value, or the values of a list; for a setting whose value is itself a list, those of a list of lists."""
    own = takes_list(name) and not (isinstance(value, list) and any(isinstance(each, list) for each in value))
    if own or not isinstance(value, list) or not value:
        return (_as_setting(name, value),)
    return tuple(dict.fromkeys(_as_setting(name, each) for each in value))


def _flat(value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The settings with dotted names: TOML reads `evaluation.episodes = 9` as a table within a table."""
    for name, each in value.items():
        if isinstance(each, dict):
            yield from ((f"{name}.{below}", item) for below, item in _flat(each))
        else:
            yield name, each


def _as_setting(name: str, value: Any) -> str:
    """A value as text, in the form that `--set` accepts."""
    if isinstance(value, list) and value:
        return ",".join(_as_setting(name, each) for each in value)
    if type(value) is bool:
        return str(value).lower()
    plain = type(value) is float or (type(value) is int and abs(value) < 2**63)
    if plain or (type(value) is str and value.isprintable()):
        return str(value)
    raise UserError(f"{name} is neither a number nor text, true, false or a list of numbers")


KEYS: dict[str, Callable[[Any], Any]] = {
    "benchmarks": _names,
    "methods": _names,
    "protocol": _name,
    "seeds": _seeds,
    "set": _settings,
}
