"""`import`: adds runs that `export` wrote elsewhere."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from bench.cli.parsing import add_command
from bench.cli.running import results_option
from bench.errors import command_line


def add(top: Any) -> None:
    """Declares the command and its options."""
    parser = add_command(
        top, "import", import_, "add exported runs to the results; they are checked, never executed", results=True
    )
    parser.add_argument("file", type=Path, metavar="ZIP")


def import_(options: Namespace) -> int:
    """Copies the runs into the results, and prints how to verify them."""
    from bench import records
    from bench.tools.capsule import importing

    outcomes = importing.bring_in(options.file, options.results)
    for name, outcome in outcomes.items():
        print(f"{name}: {outcome}")
    infos = {name: records.read_info(options.results / name) for name in outcomes}
    trained = {name: info for name, info in infos.items() if not records.predicted(info)}
    if trained:  # scored predictions of other code have no weights to recompute them from
        own = records.method_options(trained.values())
        print(f"verify with: {command_line('verify', *trained, *own, *results_option(options))}")
    return 0
