"""The command line: one module per command, which declares its options, makes one library call, and prints.

Expensive imports stay inside the functions that need them. To add a command, write its module and name it here."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable, Sequence

from bench.cli import (
    check,
    data,
    diff,
    episodes,
    evaluate,
    explain,
    export,
    import_,
    list,
    report,
    run,
    score,
    show,
    speed,
    verify,
)
from bench.cli.parsing import Parser
from bench.errors import command_line, program
from bench.provenance import __version__

COMMANDS = (
    run,
    evaluate,
    explain,
    report,
    list,
    show,
    diff,
    data,
    speed,
    verify,
    check,
    export,
    import_,
    episodes,
    score,
)


def main(arguments: Sequence[str]) -> int:
    """Runs one command; returns its exit code. Raises UserError."""
    started = time.monotonic()
    parser = _parser()
    if not arguments:
        parser.print_help()
        return 0
    options = parser.parse_args(arguments)
    options.started = started
    options.command_line = command_line(*arguments)
    handler: Callable[[Namespace], int] = options.handler
    return handler(options)


def _parser() -> Parser:
    parser = Parser(
        prog=program(),
        description="A reproducibility benchmark for few-shot meta-learning.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"few-shot-bench {__version__}")
    top = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)
    for command in COMMANDS:
        command.add(top)
    return parser
