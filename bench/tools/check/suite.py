"""The contract suite (`methods.contract`) on one method: what it breaks, a line each.

`rules` has what is asked of every method, `small` what it is asked on. The project's tests run the same rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.protocols.benchmarks import IMAGES
from bench.runs import user_methods
from bench.tools.check.rules import RULES, Broken, broken
from bench.tools.check.toy_data import FUNCTIONS, Subject
from methods import METHODS
from methods.contract import Method

__all__ = ["FUNCTIONS", "RULES", "Outcome", "Subject", "broken", "checked", "forms"]


@dataclass(frozen=True)
class Outcome:
    """A rule on one form of data; `found` is what breaks it, or nothing."""

    form: str
    rule: str
    found: str


def checked(asked: str) -> Iterator[Outcome]:
    """Every rule, as it is tried, on a method that ships or on an own one. Raises UserError where there is none."""
    mine = user_methods.find(asked)
    kind = mine.found if mine else METHODS[asked]
    if lacking := user_methods.missing(kind):
        yield Outcome("contract", "it has all parts of the contract", f"{kind.__name__} has no {', '.join(lacking)}")
        return
    for form in forms(kind):
        subject = Subject(kind, form)
        for rule in RULES:
            found = broken(rule, subject)
            yield Outcome(form, rule.__doc__ or rule.__name__, _located(mine, *found) if found else "")
            if found and rule is RULES[0]:
                return


def forms(kind: type[Method]) -> tuple[str, ...]:
    """The forms of data that a method is for."""
    return (IMAGES,) * (kind.needs in (None, "classes")) + (FUNCTIONS,) * (kind.needs != "classes")


def _located(mine: user_methods.Own | None, text: str, error: BaseException) -> str:
    """With the line of the user's file, where it was raised there."""
    where = user_methods.line_in(mine.file, error) if mine and not isinstance(error, Broken) else ""
    return f"{mine.file.name}{where}: {text}" if mine and where else text
