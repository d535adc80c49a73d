"""`list`: lists methods, benchmarks, protocols and data."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from bench.cli.parsing import add_command


def add(top: Any) -> None:
    """Declares the command and its options."""
    parser = add_command(
        top,
        "list",
        list_,
        "list methods, benchmarks, protocols, experiments and prepared data",
        results=True,
        data=True,
    )
    told = (
        "list every published number instead, and those in the claims.csv of the results folder, with its protocol "
        "and the hours that five trainings take on this machine: from a record made here, or, after ~, roughly"
    )
    parser.add_argument("--claims", action="store_true", help=told)


def list_(options: Namespace) -> int:
    """Prints methods, benchmarks, protocols and data, or the published numbers."""
    from bench.tools import inventory

    if options.claims:
        lines = inventory.claims(options.results, options.data_dir)
    else:
        lines = inventory.everything(options.data_dir)
    print("\n".join(lines))
    return 0
