"""`import`: adds runs that `export` wrote elsewhere."""

from __future__ import annotations

import shlex
from argparse import Namespace
from pathlib import Path
from typing import Any

from bench.cli.parsing import RESULTS, add_command


def add(top: Any) -> None:
    """Declares the command and its options."""
    parser = add_command(
        top, "import", import_, "add exported runs to the results; they are checked, never executed", results=True
    )
    parser.add_argument("file", type=Path, metavar="ZIP")


def import_(options: Namespace) -> int:
    """Copies the runs into the results, and prints how to verify them."""
    from bench import records
    from bench.tools import capsule

    outcomes = capsule.bring_in(options.file, options.results)
    for name, outcome in outcomes.items():
        print(f"{name}: {outcome}")
    where = [] if options.results == RESULTS else ["--results", str(options.results)]
    trained = [name for name in outcomes if not records.predicted(records.read_info(options.results / name))]
    if trained:  # scored predictions of other code have no weights to recompute them from
        print(f"verify with: {shlex.join(['python', '-m', 'bench', 'verify', *trained, *where])}")
    return 0
