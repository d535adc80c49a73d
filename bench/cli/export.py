"""`export`: hands runs on as one file."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from bench.cli.parsing import add_command


def add(top: Any) -> None:
    """Declares it."""
    parser = add_command(top, "export", export, "hand runs on as one file, to be verified elsewhere", results=True)
    parser.add_argument("run", nargs="+", metavar="RUN", help="a run's folder, or the beginning of names")
    parser.add_argument("--out", type=Path, required=True, metavar="ZIP")


def export(options: Namespace) -> int:
    """Writes the file."""
    from bench.records import layout
    from bench.tools import capsule

    manifest = capsule.export(layout.find(options.results, options.run), options.out)
    runs, size = len(manifest["runs"]), options.out.stat().st_size / 2**20
    print(f"{options.out}: {runs} {'run' if runs == 1 else 'runs'}, {size:.1f} MiB")
    print(f"elsewhere: python -m bench import {options.out.name}, and then what that says")
    return 0
