"""Remembers earlier measurements on this machine in a small file in the user's cache folder, which may be deleted."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import platformdirs

from bench import files
from bench.errors import UserError

_MOST = 1000  # only the last entries are kept


def recall(key: str) -> float | None:
    """The number stored under this key, or None."""
    found = _entries().get(key)
    return found if type(found) is float and 0 < found < float("inf") else None


def remember(key: str, value: float) -> None:
    """Stores a number, if the folder can be written."""
    entries = [*((k, v) for k, v in _entries().items() if k != key), (key, value)]
    with suppress(UserError, OSError):
        files.write_json(_file(), {"numbers": [list(entry) for entry in entries[-_MOST:]]})


def _entries() -> dict[str, Any]:
    try:
        found = files.read_json(_file())
        return {str(key): value for key, value in found["numbers"]}
    except (files.Unreadable, LookupError, TypeError, ValueError):
        return {}


def _file() -> Path:
    return Path(platformdirs.user_cache_dir("bench-few-shot", False), "step-seconds.json")
