"""`report`: writes tables, figures and a page from the records."""

from __future__ import annotations

import gc
import os
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from bench.cli.parsing import RESULTS, add_command, add_out, report_folder
from bench.errors import UserError, nearest, printable

_MOST_PROCESSES = 4  # each process holds all records in memory


def add(top: Any) -> None:
    """Declares the command and its options."""
    parser = add_command(top, "report", report, "write tables, figures and a page from the records", results=True)
    add_out(parser)
    parser.add_argument("--file", metavar="FILE", help="report only the runs of this experiment (see `run --file`)")
    parser.add_argument("--claims", type=Path, metavar="FILE", help="CSV file with published numbers of your own")
    parser.add_argument(
        "--figures",
        choices=("png", "pdf"),
        action="append",
        default=[],
        help="besides SVG, draw the figures in this format; may be given several times",
    )


def report(options: Namespace) -> int:
    """Writes tables, figures and a page; returns 1 if a record could not be read."""
    from bench.protocols import experiments
    from bench.report import build

    experiment = experiments.read(options.file) if options.file else None
    check_there(options.results)
    out = options.out or report_folder(options.results, f"report-{experiment.name}" if experiment else "report")
    gc.disable()  # garbage collection takes a tenth of the time with a thousand records
    try:
        processes = min(_MOST_PROCESSES, os.cpu_count() or 1)
        made = build.build(options.results, out, options.claims, experiment, processes, options.figures)
    finally:
        gc.freeze()  # nor at the end
        gc.enable()
    print(printable(made.text))
    for problem in made.problems:
        print(f"left out: {printable(problem)}", file=sys.stderr)
    return 1 if made.problems else 0


def check_there(results: Path) -> None:
    """Raises UserError if a folder other than the default one holds no records: its name is probably misspelt."""
    from bench.records import layout

    if results == RESULTS or next(layout.folders(results), None) is not None:
        return
    own = RESULTS.with_name(layout.REFERENCE)
    held = [str(folder) for folder in (RESULTS, own) if next(layout.folders(folder), None)]
    if results.name == layout.REFERENCE and str(own) not in held:
        raise UserError(
            f"no records in {results}: this project's own runs are in its repository, not in the installed package"
        )
    near = nearest(str(results), held)
    told = f"did you mean {near}?" if near else f"give the folder that `run --results` wrote to, such as {RESULTS}"
    raise UserError(f"no records in {results}: {told}")
