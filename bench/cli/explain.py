"""`explain`: measures what each factor that differs between two protocols does to the score."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from bench.cli import argument_types, json_events
from bench.cli.json_events import Emit
from bench.cli.parsing import Parser, add_command, add_out, report_folder
from bench.cli.running import add_running, check_names, make_request, run_all
from bench.errors import UserError
from bench.protocols.benchmarks import FIRST


def add(top: Any) -> None:
    """Declares the command and its options."""
    parser = add_command(
        top,
        "explain",
        explain,
        "measure what each difference between two protocols does to the score",
        results=True,
        data=True,
        device=True,
    )
    parser.add_argument(
        "--from", required=True, dest="start", metavar="P", help="the protocol to start from, such as article"
    )
    parser.add_argument("--to", required=True, dest="end", metavar="P", help="the protocol to end at, such as paper")
    parser.add_argument("--benchmark", default=FIRST, metavar="B", help=f"benchmark (default {FIRST})")
    parser.add_argument("--method", default="maml", metavar="M", help="method (default maml)")
    _add_factors(parser)
    add_running(parser)
    parser.add_argument(
        "--dry-run", action="store_true", help="list the cells and how long their training would take; run nothing"
    )
    add_out(parser)


def _add_factors(parser: Parser) -> None:
    """Declares the options that choose the factors and from which protocol they are changed."""
    parser.add_argument(
        "--factor", action="append", default=[], metavar="F", help="change only this factor; may be given several times"
    )
    parser.add_argument(
        "--group",
        action="append",
        default=[],
        metavar="A+B",
        help="change these settings together, as one factor; a single name splits it off; may be given several times",
    )
    parser.add_argument(
        "--pair",
        action="append",
        default=[],
        metavar="A+B",
        help="also change these two factors at once; may be given several times",
    )
    parser.add_argument(
        "--pairs",
        type=argument_types.positive,
        default=0,
        metavar="N",
        help="afterwards also run the N pairs of factors that are likeliest to interact",
    )
    parser.add_argument(
        "--direction",
        choices=("from", "to", "both"),
        default="from",
        help="change one factor of the start (from, the default), undo one factor of the end (to), or both",
    )


def explain(options: Namespace) -> int:
    """Runs the variants that are missing, and shows the effect of each factor; returns 1 if a run diverged."""
    with json_events.lines(options.json) as emit:
        return _explain(options, emit)


def _explain(options: Namespace, emit: Emit) -> int:
    check_names(options, [options.method], [options.benchmark], [options.start, options.end])
    if options.pairs and options.direction == "to":
        raise UserError("--pairs needs --direction from or both: an interaction is measured at the start")

    from bench import devices
    from bench.data import store
    from bench.runs import used_settings, user_methods
    from bench.tools.explain import effects, factors, pairs
    from bench.tools.explain import variants as library

    devices.make_repeatable(options.threads, options.fast)
    devices.keep_memory()
    o = options
    request, method = make_request(o, [o.method], [o.benchmark], None), user_methods.find(o.method)
    used_settings.check(request.settings, [method])
    benchmark, ends = store.benchmark(o.benchmark, o.data_dir), (o.start, o.end)
    uses, ignores = used_settings.moved_by(method), used_settings.ignored_by(method)
    asked = (request.settings, o.factor, o.direction, uses, o.group, ignores)
    alone = factors.compare(benchmark, method.name, ends, *asked)
    comparison = pairs.with_pairs(alone, o.pair)
    works = library.plan_works(comparison, request)
    worked_on: set[Path] = set()
    code = _run(comparison, works, options, emit, worked_on)
    if o.dry_run or code not in (0, 1):
        return code
    found = effects.effects(comparison, library.scores(comparison, works))
    if o.pairs:
        more = pairs.most_apart(comparison, effects.values(found), o.pairs)
        comparison = pairs.with_pairs(alone, [*o.pair, *more])
        works = library.plan_works(comparison, request)
        code = _run(comparison, works, options, emit, worked_on)
        if code not in (0, 1):
            return code
    _show(comparison, works, request, options)
    return code


def _run(comparison: Any, works: Any, options: Namespace, emit: Emit, worked_on: set[Path]) -> int:
    """Prints the variants, and runs those that are missing."""
    from bench.runs import complete, display, planning
    from bench.runs.workers.in_process import InProcess
    from bench.tools.explain import variants as library

    if options.dry_run:
        timed = library.add_times(works, display.print_notes)
        print("\n".join(library.list_works(comparison, timed, "measured here: about")))
        return 0
    print("\n".join(library.list_works(comparison, works)), flush=True)
    groups = [group for work in works for group in planning.groups(work.jobs, options.together)]
    return run_all(groups, options, InProcess(complete.work), emit, worked_on)


def _show(comparison: Any, works: Any, request: Any, options: Namespace) -> None:
    from bench.report.tables import text
    from bench.tools.explain import effects, tables
    from bench.tools.explain import variants as library

    scores, edges, seeds = library.scores(comparison, works), library.at_edge(works), request.seeds
    found = effects.effects(comparison, scores)
    print("\n".join(["", *text(tables.variants(comparison, seeds, scores, edges)), ""]))
    print("\n".join(text(tables.rows(comparison, found))))
    out = options.out or report_folder(options.results)
    files = tables.write(comparison, seeds, scores, found, edges, options.command_line, out)
    print(f"{out}: {', '.join(path.name for path in files)}")
