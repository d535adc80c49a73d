"""`data`: adds, lists and verifies data."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from bench.cli.parsing import add_command, add_group


def add(top: Any) -> None:
    """Declares it."""
    data = add_group(top, "data", "add, list and verify data", "ACTION")
    parser = add_command(data, "add", add_data, "prepare a data set from your copy of it", data=True)
    parser.add_argument("source", metavar="SOURCE", help="mini-imagenet or omniglot")
    parser.add_argument("path", type=Path, metavar="PATH")
    parser.add_argument("--partial", action="store_true", help="accept a part of the classes")
    add_command(data, "list", list_data, "which data are here", data=True)
    add_command(data, "verify", verify_data, "compute the sums of all data, and of the episodes, again", data=True)


def add_data(options: Namespace) -> int:
    """Prepares a data set."""
    from bench import inventory
    from bench.data import store

    manifest = store.add(options.source, options.path, options.data_dir, options.partial)
    print("\n".join(inventory.manifest(manifest)))
    return 0


def list_data(options: Namespace) -> int:
    """Which data are here."""
    from bench import inventory

    print("\n".join(inventory.data_sets(options.data_dir)))
    return 0


def verify_data(options: Namespace) -> int:
    """Sums of all data and digests of all episode streams, computed again; 1 where one is not the recorded one."""
    from bench import golden
    from bench.data import store

    results = store.verify(options.data_dir) + golden.verify(options.data_dir)
    print("\n".join(found["line"] for found in results))
    return 0 if all(found["ok"] for found in results) else 1
