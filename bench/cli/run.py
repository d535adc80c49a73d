"""`run`: trains and tests methods on benchmarks."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli import argument_types, cell_means, json_events
from bench.cli import workers as worker_options
from bench.cli.json_events import Emit
from bench.cli.parsing import add_command
from bench.cli.running import add_running, check_names, make_request, results_option, run_all
from bench.errors import UserError, command_line

if TYPE_CHECKING:
    from bench.protocols.experiments import Experiment
    from bench.runs.grids import Grid
    from bench.runs.groups import Engine
    from bench.runs.job import Job
    from bench.runs.planning import PlannedRuns
    from bench.runs.request import Request


def add(top: Any) -> None:
    """Declares the command and its options."""
    parser = add_command(top, "run", run, "train and test methods on a benchmark", results=True, data=True, device=True)
    parser.add_argument(
        "--method",
        action="append",
        metavar="M",
        help="method: a name, or a file such as mine.py; may be given several times (default maml)",
    )
    parser.add_argument(
        "--benchmark",
        action="append",
        metavar="B",
        help="benchmark; may be given several times (default: miniimagenet-5w5s on CUDA if its images are prepared, "
        "else omniglot-5w1s)",
    )
    parser.add_argument(
        "--protocol",
        metavar="P",
        help="protocol: `list` shows them (default: paper on CUDA, else quick, which is paper with fewer iterations)",
    )
    add_running(parser)
    worker_options.add(parser)
    parser.add_argument(
        "--keep",
        type=argument_types.positive,
        action="append",
        default=[],
        metavar="N",
        help="also keep the weights of iteration N; may be given several times",
    )
    parser.add_argument("--force", action="store_true", help="run finished runs again, from the start")
    parser.add_argument(
        "--file", metavar="FILE", help="run an experiment: a TOML file, or the name of one that `list` shows"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="show what would run and how long training would take; run nothing"
    )


def run(options: Namespace) -> int:
    """Trains and tests; skips finished runs and resumes interrupted ones."""
    with json_events.lines(options.json) as emit:
        return _run_request(options, emit)


def _run_request(options: Namespace, emit: Emit) -> int:
    check_names(options, options.method or [], options.benchmark or [], [options.protocol] if options.protocol else [])

    from bench import devices
    from bench.runs import preview

    devices.make_repeatable(options.threads, options.fast)
    devices.keep_memory()
    request = make_request(options, options.method or ["maml"], options.benchmark or [], options.protocol)
    blocks = _blocks(options, request)
    _check_kept(options.keep, [job for block in blocks for job in block.jobs])
    engine = worker_options.choose_engine(options, request.device)
    devices.make_repeatable(worker_options.threads(options, engine), options.fast)
    told = [line for block in blocks for line in preview.describe(*block, options.force, options.keep)]
    print("\n".join(told), flush=True)
    if options.dry_run:
        return _dry_run(_groups(blocks, options, engine), options.force, engine.workers)
    return _run(blocks, engine, options, emit)


def _blocks(options: Namespace, request: Request) -> list[PlannedRuns]:
    from bench.runs import planning

    if options.file:
        return planning.plan(_experiment(options), request)
    return [planning.PlannedRuns(planning.jobs(request), [])]


def _groups(blocks: Sequence[PlannedRuns], options: Namespace, engine: Engine) -> list[list[Job]]:
    from bench.runs import planning

    return [group for block in blocks for group in planning.groups(block.jobs, options.together, engine.workers)]


def _check_kept(iterations: Sequence[int], jobs: Sequence[Job]) -> None:
    least = min(job.protocol.training.iterations for job in jobs)
    if beyond := [at for at in iterations if at > least]:
        raise UserError(f"--keep {beyond[0]}: the run has only {least} iterations")


def _experiment(options: Namespace) -> Experiment:
    """The experiment that `--file` describes. Raises UserError if another option repeats what the file specifies."""
    from bench.protocols import experiments

    said = {"--method": options.method, "--benchmark": options.benchmark, "--protocol": options.protocol}
    said |= {"--seeds": options.seeds is not None, "--seed": options.seed, "--set": options.settings}
    said |= {"--iterations": options.iterations is not None, "--keep": options.keep}
    if named := [option for option, given in said.items() if given]:
        raise UserError(f"--file already says what to run: remove {', '.join(named)}, or change the file")
    return experiments.read(options.file)


def _dry_run(groups: Sequence[Sequence[Job]], force: bool, workers: int) -> int:
    from bench.runs import display, estimate
    from bench.runs.groups import seed_groups

    print("\n".join(estimate.lines(seed_groups(groups, force), workers, display.print_notes)))
    return 0


def _run(blocks: Sequence[PlannedRuns], engine: Engine, options: Namespace, emit: Emit) -> int:
    worked_on: set[Path] = set()
    code = run_all(_groups(blocks, options, engine), options, engine, emit, worked_on)
    tested = [job for block in blocks for job in block.jobs if not job.candidate]
    for grid in (grid for block in blocks for grid in block.grids):
        if code in (0, 1):
            code = max(code, _choose(grid, tested, engine, options, emit, worked_on))
    if code in (0, 1):
        for line in cell_means.lines(tested):
            print(line)
        of_file = ["--file", options.file] if options.file else []
        print(f"tables and figures: {command_line('report', *results_option(options), *of_file)}")
    return code


def _choose(grid: Grid, tested: list[Job], engine: Engine, options: Namespace, emit: Emit, worked_on: set[Path]) -> int:
    """Tests the candidate of a grid with the best validation score, and records the choice in its evaluations."""
    from bench.runs import grids, planning

    chosen = grids.choice(grid)
    print(chosen.line, flush=True)
    tested += chosen.jobs
    trained = Namespace(**vars(options) | {"force": False})  # just now: only its tests are missing
    code = run_all(planning.groups(chosen.jobs, options.together, engine.workers), trained, engine, emit, worked_on)
    grids.tell(chosen)
    return code
