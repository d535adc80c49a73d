"""`list`: methods, benchmarks, protocols and data."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from bench.cli.parsing import add_command


def add(top: Any) -> None:
    """Declares it."""
    add_command(top, "list", list_, "methods, benchmarks, and which data are here", data=True)


def list_(options: Namespace) -> int:
    """Methods, benchmarks and data."""
    from bench.tools import inventory

    print("\n".join(inventory.everything(options.data_dir)))
    return 0
