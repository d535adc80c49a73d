"""`export`: packs runs into one file."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from bench.cli import chosen_runs
from bench.cli.parsing import add_command
from bench.errors import command_line, quantity


def add(top: Any) -> None:
    """Declares the command and its options."""
    parser = add_command(top, "export", export, "pack runs into one file, for others to verify", results=True)
    chosen_runs.add(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="ZIP")


def export(options: Namespace) -> int:
    """Writes the runs into one file."""
    from bench.tools.capsule import exporting

    manifest = exporting.export(chosen_runs.folders(options, ("finished", "diverged"), predicted=True), options.out)
    runs, size = len(manifest["runs"]), options.out.stat().st_size / 2**20
    print(f"{options.out}: {quantity(runs, 'run')}, {size:.1f} MiB")
    print(f"on the other machine: {command_line('import', options.out.name)}, then run the command it prints")
    return 0
