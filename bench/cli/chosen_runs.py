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


def folders(options: Namespace, *, finished: bool = False, predicted: bool = False) -> list[Path]:
    """The folders of the chosen runs. `--all` leaves out, with `finished`, unfinished runs, and, unless `predicted`,
    the scores of other code's predictions, which have no weights. Raises UserError if no run is named, or none is
    left."""
    from bench.records import layout

    if options.all == bool(options.run):
        raise UserError("name runs, or give --all for every run in --results")
    found = layout.find(options.results, [""] if options.all else options.run)
    if not options.all:
        return found
    chosen = [folder for folder in found if _is_usable(folder, finished, predicted)]
    if not chosen:
        raise UserError(f"--all: no {'finished ' * finished}run with weights under {options.results}")
    return chosen


def _is_usable(folder: Path, finished: bool, predicted: bool) -> bool:
    from bench import records
    from bench.records import fields

    try:
        info = records.read_info(folder)
    except fields.Corrupt:
        return True  # the command reports it
    return (predicted or not records.predicted(info)) and (info["status"] == "finished" or not finished)
