"""The runs that a command works on: one, a cell (all its seeds), a list, or all."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from bench.cli.parsing import Parser
from bench.errors import UserError


def add(parser: Parser) -> None:
    """Declares the arguments that name runs."""
    text = "a run's folder, or how its name begins: without /seed<k>, all seeds; several may be given"
    parser.add_argument("run", nargs="*", metavar="RUN", help=text)
    parser.add_argument("--all", action="store_true", help="every run in --results")


def folders(options: Namespace, *, finished: bool = False) -> list[Path]:
    """The folders of the chosen runs. `--all` leaves out runs without weights and, with `finished`, unfinished runs.
    Raises UserError if no run is named."""
    from bench.records import layout

    if options.all == bool(options.run):
        raise UserError("name runs, or give --all for every run in --results")
    found = layout.find(options.results, [""] if options.all else options.run)
    return [folder for folder in found if not (options.all and _useless(folder, finished))]


def _useless(folder: Path, finished: bool) -> bool:
    from bench import records
    from bench.records import fields

    try:
        info = records.read_info(folder)
    except fields.Corrupt:
        return False  # the command reports it
    return records.predicted(info) or (finished and info["status"] != "finished")
