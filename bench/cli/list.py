"""`list`: methods, benchmarks, protocols and data."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from bench.cli.parsing import add_command


def add(top: Any) -> None:
    """Declares it."""
    parser = add_command(top, "list", list_, "methods, benchmarks, and which data are here", results=True, data=True)
    told = (
        "instead: every published number, with the protocol that it belongs to, and the hours that five trainings take "
        "here: by a record of this machine, or, after ~, roughly"
    )
    parser.add_argument("--claims", action="store_true", help=told)


def list_(options: Namespace) -> int:
    """Methods, benchmarks and data; or the published numbers."""
    from bench.tools import inventory

    print("\n".join(inventory.claims(options.results) if options.claims else inventory.everything(options.data_dir)))
    return 0
