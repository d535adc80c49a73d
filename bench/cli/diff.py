"""`diff`: what differs between two protocols."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from bench.cli.parsing import add_command, add_protocol_choice
from bench.errors import quantity


def add(top: Any) -> None:
    """Declares the command and its options."""
    parser = add_command(top, "diff", diff, "show what differs between two protocols, with the source of each value")
    parser.add_argument("one", metavar="PROTOCOL", help="such as paper: `list` shows them")
    parser.add_argument("other", metavar="PROTOCOL")
    add_protocol_choice(parser)


def diff(options: Namespace) -> int:
    """Prints one row per setting that differs."""
    from bench.data import store
    from bench.protocols import comparison
    from bench.report import tables

    benchmark = store.benchmark(options.benchmark)
    one, other = (comparison.with_sources(name, benchmark, options.settings) for name in (options.one, options.other))
    rows = comparison.different_settings(one, other)
    differ = f"{quantity(len(rows), 'setting')} differ{'s' * (len(rows) == 1)}"
    heading = f"{one.name} and {other.name} on {benchmark.name}: {differ}"
    print("\n".join([heading, *(tables.text(rows) if rows else [])]))
    return 0
