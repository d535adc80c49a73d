"""Which line of an experiment's file an error is about: `tomllib` reads values and does not tell where they stood."""

from __future__ import annotations

import re
from collections.abc import Sequence

_HEADER = re.compile(r"\s*\[\[\s*run\s*\]\]")


def line_of(text: str, block: int | None, key: str, value: str | None = None) -> int:
    """The line, from 1, where a key of the block of that number stands, or its value if one is given.

    What a block does not say itself stands above the first; what is found nowhere has the line of the block's header.
    """
    lines = text.splitlines()
    headers = [number for number, line in enumerate(lines) if _HEADER.match(line)]
    header = headers[block] if block is not None and block < len(headers) else 0
    first, *_ = [*headers, len(lines)]
    last = min((number for number in headers if number > header), default=len(lines))
    for begin, end in ((header, last), (0, first)):
        for number in range(begin, end):
            if _says(lines[number], key):
                return 1 + _place_of(value, lines, number, end)
    return 1 + header


def _says(line: str, key: str) -> bool:
    """Whether the line gives the key a value, as `key = `, `a.key = `, within `{ }`, or as a table of its own."""
    if line.lstrip().startswith("#"):
        return False
    name = rf"({re.escape(key)}|{re.escape(key.rpartition('.')[2])})"
    return re.search(rf"""(^|[\s{{,."']){name}["']?\s*=|^\s*\[\s*run\s*\.\s*{name}\s*\]""", line) is not None


def _place_of(value: str | None, lines: Sequence[str], first: int, last: int) -> int:
    """The line at or after `first` where a quoted value stands."""
    quoted = (f'"{value}"', f"'{value}'")
    here = (number for number in range(first, last) if not lines[number].lstrip().startswith("#"))
    places = (number for number in here if any(form in lines[number] for form in quoted))
    return first if value is None else next(places, first)
