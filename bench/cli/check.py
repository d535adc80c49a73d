"""`check`: checks that a method keeps the contract."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from bench.cli.parsing import add_command


def add(top: Any) -> None:
    """Declares the command and its options."""
    parser = add_command(
        top, "check", check, "check that a method keeps the contract, and that its gradient is right", threads=True
    )
    parser.add_argument("method", metavar="METHOD", help="a file such as mine.py, or the name of a method")


def check(options: Namespace) -> int:
    """Prints a line for every broken rule and returns 1; if no rule is broken, prints which gradient the method
    computes and returns 0."""
    from bench import devices
    from bench.tools.check import suite

    devices.make_repeatable(options.threads or 1)  # the tensors are small
    outcomes = list(suite.check(options.method))
    lines = [f"{outcome.form}: broken: {outcome.rule}; found: {outcome.found}" for outcome in outcomes if outcome.found]
    print("\n".join(lines) or f"{options.method} keeps the contract: {len(outcomes)} checks")
    for line in [] if lines else suite.gradients_of(options.method):
        print(line, flush=True)
    return int(bool(lines))
