"""`score`: scores the predictions of other code."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from bench.cli.parsing import add_command


def add(top: Any) -> None:
    """Declares the command and its options."""
    parser = add_command(top, "score", score, "score the predictions of other code", results=True, data=True)
    parser.add_argument(
        "predictions", type=Path, nargs="+", metavar="PARQUET", help="predictions, one file per training seed"
    )
    parser.add_argument("--name", required=True, help="the name of the method in tables")
    parser.add_argument(
        "--benchmark", metavar="B", help="the benchmark that the files must be for (optional: the files name it)"
    )


def score(options: Namespace) -> int:
    """Scores the predictions, and stores the result as a record."""
    from bench.records import layout
    from bench.tools.exchange import predictions

    o = options
    for folder, found in predictions.score(o.predictions, o.name, o.benchmark, o.results, o.data_dir, o.command_line):
        print(f"{layout.run_name(folder)}: {100 * found.final.mean():.2f} % on {len(found.scores)} test episodes")
    return 0
