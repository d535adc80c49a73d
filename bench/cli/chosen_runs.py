"""The runs that a command works on: one, a cell (all its seeds), a list, or all."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Collection, Mapping
from pathlib import Path

from bench.cli.parsing import Parser
from bench.errors import UserError, quantity


def add(parser: Parser) -> None:
    """Declares the arguments that name runs."""
    text = "a run's folder, or how its name begins: without /seed<k>, all seeds; several may be given"
    parser.add_argument("run", nargs="*", metavar="RUN", help=text)
    parser.add_argument("--all", action="store_true", help="every run in --results")


def folders(options: Namespace, statuses: Collection[str] = (), *, predicted: bool = False) -> list[Path]:
    """The folders of the chosen runs. Of those that `--all` or the beginning of several names chooses, runs with
    another status than `statuses` (empty: any) are left out, and, unless `predicted`, the scores of other code's
    predictions, which have no weights; one line says so. Raises UserError if no run is named, or none is left."""
    from bench.records import layout

    if options.all == bool(options.run):
        raise UserError("name runs, or give --all for every run in --results")
    chosen = [layout.find(options.results, [name]) for name in ([""] if options.all else options.run)]
    alone = {found[0] for found in chosen if len(found) == 1 and not options.all}
    each = dict.fromkeys(folder for found in chosen for folder in found)
    unusable = {f: why for f in each if f not in alone and (why := _why_not(f, statuses, predicted))}
    if len(unusable) == len(each):
        raise UserError(f"nothing to do under {options.results}: {_list_text(unusable)}")
    if unusable:
        print(f"left out: {_list_text(unusable)}", file=sys.stderr)
    return [folder for folder in each if folder not in unusable]


def _why_not(folder: Path, statuses: Collection[str], predicted: bool) -> str:
    """The reason why a command cannot work on a run; empty if it can, or if it will report a damaged record."""
    from bench import records
    from bench.records import fields

    try:
        info = records.read_info(folder)
    except fields.Corrupt:
        return ""
    if records.predicted(info) and not predicted:
        return "predictions of other code, without weights"
    return "" if not statuses or info["status"] in statuses else info["status"]


def _list_text(unusable: Mapping[Path, str]) -> str:
    """The runs of each cell and reason, counted: `tiny/maml (2 runs: unfinished)`."""
    found = [("/".join(folder.parts[-4:-2]), why) for folder, why in unusable.items()]
    counts = {each: quantity(found.count(each), "run") for each in found}
    return "; ".join(f"{cell} ({runs}: {why})" for (cell, why), runs in counts.items())
