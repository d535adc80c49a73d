"""User errors: one line each, raised anywhere, printed in one place (`bench.__main__`)."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

_LONGEST = 1000  # characters of a readable line


class UserError(Exception):
    """A mistake that the user can correct. The message is one line: what, where, what to do. Exit code 2.

    The message is a single line even if names in it contain line breaks."""

    def __init__(self, message: str) -> None:
        line = printable(message.replace("\n", "\\n"))
        super().__init__(line if len(line) <= _LONGEST else f"{line[: _LONGEST // 2]} ... {line[-_LONGEST // 2 :]}")


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that is not in `known`; suggests the nearest one."""
    names = sorted(known)
    near = nearest(name, names, 0.5)
    hint = f"did you mean {near!r}? " if near else ""
    return UserError(f"unknown {kind} {name!r}: {hint}known: {', '.join(names)}")


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known name that was most likely meant, ignoring case; None if none is similar."""
    by_case: dict[str, str] = {}
    for each in known:
        by_case.setdefault(each.casefold(), each)
    near = get_close_matches(name.casefold(), by_case, n=1, cutoff=cutoff)
    return by_case[near[0]] if near else None


def quantity(count: int, thing: str) -> str:
    """A number with its noun: `1 shot`, `2 shots`, `5 queries`, `3 classes`."""
    many = {"query": "queries", "class": "classes"}.get(thing, f"{thing}s")
    return f"{count} {thing if count == 1 else many}"


def numbered_seeds(seeds: Iterable[int]) -> str:
    """The seeds by their numbers: `seed 3`, `seeds 0, 1, 4`, and `seeds 0 to 9` for more than three in a row."""
    numbers = list(dict.fromkeys(seeds))
    if len(numbers) == 1:
        return f"seed {numbers[0]}"
    if len(numbers) > 3 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"seeds {numbers[0]} to {numbers[-1]}"
    return f"seeds {', '.join(map(str, numbers))}"


def program() -> str:
    """The program as the user typed it, `few-shot-bench` or else `python -m bench`: in a folder that holds a `bench` of
    its own only the first works."""
    return "few-shot-bench" if Path(sys.argv[0]).stem == "few-shot-bench" else "python -m bench"


def command_line(*words: object) -> str:
    """The command that a message tells the user to type: the program and these words, each quoted for a shell."""
    return shlex.join([*program().split(), *map(str, words)])


def reason(error: BaseException) -> str:
    """The first line of the message of a system or library error, or else its type."""
    return _first_line(getattr(error, "strerror", None) or str(error)) or type(error).__name__


def kind_and_reason(error: BaseException) -> str:
    """The type and message of an error, `ValueError: ...`, in one line."""
    line = _first_line(str(error))
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")[:300]


def printable(text: str) -> str:
    """The text with escapes for characters that a terminal would interpret, or display in another order."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
