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
        "list every published number instead, with its protocol and the hours that five trainings take "
        "on this machine: from a record made here, or, after ~, roughly"
    )
    parser.add_argument("--claims", action="store_true", help=told)


def list_(options: Namespace) -> int:
    """Prints methods, benchmarks, protocols and data, or the published numbers."""
    from bench.tools import inventory

    print("\n".join(inventory.claims(options.results) if options.claims else inventory.everything(options.data_dir)))
    return 0
