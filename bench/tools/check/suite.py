"""Runs the contract suite (`methods.contract`) on one method, and reports the rules that it breaks.

`rules` has the rules, `toy_data` the data for them. The project's tests run the same rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.errors import kind_and_reason
from bench.protocols.benchmarks import IMAGES
from bench.runs import user_methods
from bench.runs.contract_errors import missing
from bench.runs.user_methods import UserMethod
from bench.tools.check import gradients
from bench.tools.check.rules import RULES, Broken, violation
from bench.tools.check.toy_data import FUNCTIONS, Subject
from bench.training.workload import NamedMethod
from methods.contract import Method

__all__ = ["FUNCTIONS", "RULES", "RuleOutcome", "Subject", "check", "forms", "gradients_of", "violation"]

_RANDOM = "in randomness error mode"  # part of the message of torch.func.vmap
_NO_RANDOM = "loss_and_gradient and predict draw no random numbers"
_WHY_NOT_RANDOM = (
    "a random operation, such as noise or dropout, which vmap refuses with randomness='error', because such a run "
    "could not be repeated: draw it in init, and keep it in carried"
)


@dataclass(frozen=True)
class RuleOutcome:
    """The outcome of a rule on one form of data; `found`: what breaks it, or empty."""

    form: str
    rule: str
    found: str


def check(asked: str) -> Iterator[RuleOutcome]:
    """Tries every rule on a built-in or a user's method. Raises UserError if there is no such method."""
    method = user_methods.find(asked)
    kind = method.found if isinstance(method, UserMethod) else method.kind
    if lacking := missing(kind):
        yield RuleOutcome(
            "contract", "it has all parts of the contract", f"{kind.__name__} has no {', '.join(lacking)}"
        )
        return
    for form in forms(kind):
        subject = Subject(kind, form)
        for rule in RULES:
            found = violation(rule, subject)
            if found and _RANDOM in found[0]:  # so would be most rules after it
                yield RuleOutcome(form, _NO_RANDOM, _with_line(method, _WHY_NOT_RANDOM, found[1]))
                return
            yield RuleOutcome(form, rule.__doc__ or rule.__name__, _with_line(method, *found) if found else "")
            if found and rule is RULES[0]:
                return


def gradients_of(asked: str) -> Iterator[str]:
    """One line per form of data on how the method's gradient compares with its loss. Raises UserError."""
    method = user_methods.find(asked)
    for form in forms(method.kind):
        try:
            found = gradients.check_gradient(Subject(method.kind, form))
        except Exception as error:  # a user's method may raise anything
            yield f"{form}: gradient not checked: the method does not run in float64: {kind_and_reason(error)}"
            continue
        if found is not None:
            yield f"{form}: gradient {found.text}"


def forms(kind: type[Method]) -> tuple[str, ...]:
    """The forms of data that a method supports."""
    return (IMAGES,) * (kind.needs in (None, "classes")) + (FUNCTIONS,) * (kind.needs != "classes")


def _with_line(method: NamedMethod, text: str, error: BaseException) -> str:
    """The text with the line of the user's file, if the error was raised there."""
    if not isinstance(method, UserMethod) or isinstance(error, Broken):
        return text
    where = user_methods.line_in(method.file, error)
    return f"{method.file.name}{where}: {text}" if where else text
