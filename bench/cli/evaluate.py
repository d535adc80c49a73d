"""`evaluate`: evaluates a run's weights once more."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import Any

from bench.cli import kinds
from bench.cli.parsing import add_command, add_execution, add_settings
from bench.cli.words import score
from bench.errors import UserError


def add(top: Any) -> None:
    """Declares it."""
    parser = add_command(
        top,
        "evaluate",
        evaluate,
        "evaluate a run's weights again, without training",
        results=True,
        data=True,
        device=True,
    )
    parser.add_argument("run", metavar="RUN", help="a run's folder, or the beginning of its name")
    add_execution(parser)
    add_settings(parser, "such as queries=15 or batch_statistics=support")
    parser.add_argument("--at", type=kinds.positive, metavar="N", help="the weights of iteration N")


def evaluate(options: Namespace) -> int:
    """Evaluates a run's weights once more, under another evaluation; it adds to the record."""
    from bench import environment, plan, run

    environment.make_repeatable(options.threads, options.fast)
    environment.reuse_memory()
    where = environment.device(options.device)
    o = options
    job = plan.evaluation_job(o.run, o.results, o.data_dir, o.settings, where, o.chunk, o.mode)
    try:
        print(f"{job.name}: {score(run.evaluated(job, o.at, lambda line: print(line, file=sys.stderr)))}")
    except run.Busy:
        raise UserError(f"another process works on {job.name}") from None
    return 0
