"""`run`: trains and tests methods on benchmarks."""

from __future__ import annotations

import os
import signal
import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console

from bench.cli import engine, kinds
from bench.cli.parsing import RESULTS, add_command, add_execution, add_settings, asked_of_every_job
from bench.cli.words import score
from bench.errors import UserError

if TYPE_CHECKING:
    from bench.engines import Cell, Ended
    from bench.experiments import Experiment
    from bench.job import Job


def add(top: Any) -> None:
    """Declares it."""
    parser = add_command(top, "run", run, "train and test methods on a benchmark", results=True, data=True, device=True)
    parser.add_argument("--method", action="append", metavar="M", help="may be given several times (default maml)")
    parser.add_argument("--benchmark", action="append", metavar="B", help="may be given several times")
    parser.add_argument("--protocol", metavar="P", help="paper, article, ravi or quick")
    parser.add_argument("--seeds", type=int, metavar="N", help="seeds 0 .. N-1")
    parser.add_argument(
        "--seed", type=int, action="append", default=[], metavar="K", help="one seed; may be given several times"
    )
    parser.add_argument(
        "--iterations", type=int, metavar="N", help="shortens (or lengthens) training, and marks the run"
    )
    parser.add_argument(
        "--together",
        type=kinds.positive,
        metavar="N",
        help="seeds that train together (default: 1 on a CPU, all that fit on CUDA)",
    )
    engine.add(parser)
    add_execution(parser)
    add_settings(parser, "such as inner_lr=0.1 or evaluation.queries=15")
    parser.add_argument(
        "--keep",
        type=kinds.positive,
        action="append",
        default=[],
        metavar="N",
        help="keep the weights of iteration N too",
    )
    parser.add_argument(
        "--checkpoint-every", type=kinds.seconds, default=30.0, metavar="SECONDS", help="between checkpoints"
    )
    parser.add_argument("--force", action="store_true", help="run again what is finished")
    parser.add_argument("--file", metavar="FILE", help="a whole experiment: a TOML file, or one that `list` names")
    parser.add_argument("--dry-run", action="store_true", help="show the cells and how long they would train, no more")


def run(options: Namespace) -> int:
    """Trains and tests; a run that is finished is skipped, one that was interrupted goes on."""
    from bench import environment, plan

    environment.make_repeatable(options.threads, options.fast)
    environment.reuse_memory()
    request = plan.Request(
        options.method or ["maml"],
        options.benchmark or [],
        plan.seeds(options.seeds, options.seed),
        options.protocol,
        options.settings + ([f"iterations={options.iterations}"] if options.iterations is not None else []),
        *asked_of_every_job(options),
    )
    blocks = plan.jobs_of(_experiment(options), request) if options.file else [plan.jobs(request)]
    spread = engine.chosen(options, request.device)
    environment.make_repeatable(engine.threads(options, spread), options.fast)
    print("\n".join(line for jobs in blocks for line in plan.described(jobs)), flush=True)
    workers = spread.workers if spread else 1
    groups = [group for jobs in blocks for group in plan.groups(jobs, options.together, workers)]
    return _dry_run(groups) if options.dry_run else _run_all(groups, spread, options)


def _experiment(options: Namespace) -> Experiment:
    """The file's. Raises UserError where an option says what the file says."""
    from bench import experiments

    said = {"--method": options.method, "--benchmark": options.benchmark, "--protocol": options.protocol}
    said |= {"--seeds": options.seeds is not None, "--seed": options.seed, "--set": options.settings}
    said |= {"--iterations": options.iterations is not None, "--keep": options.keep}
    if named := [option for option, given in said.items() if given]:
        raise UserError(f"--file says what is run, so {', '.join(named)} cannot: change the file, or leave one of both")
    return experiments.read(options.file)


def _dry_run(groups: Sequence[Sequence[Job]]) -> int:
    from bench import estimate

    print("\n".join(estimate.lines(groups, lambda line: print(line, file=sys.stderr, flush=True))))
    return 0


def _run_all(groups: Sequence[Sequence[Job]], spread: engine.Engine | None, options: Namespace) -> int:
    from bench.engines import Cell

    cells = [Cell(tuple(group)) for group in groups]
    code = _here(cells, options) if spread is None else _spread(spread, cells, options)
    if code != 130:
        print(f"tables and figures: python -m bench report{_report_options(options)}")
    return code


def _here(cells: Sequence[Cell], options: Namespace) -> int:
    """One cell after the other, in this process."""
    from bench.train import Interrupted

    console, code = Console(stderr=True), 0
    for done, cell in enumerate(cells):
        try:
            code = max(code, _run_together(cell, len(cells) - done, options, console))
        except Interrupted as interrupted:
            return _stopped([f"{cell.name} at iteration {interrupted}"], options)
        except KeyboardInterrupt:
            return _stopped([f"{cell.name}, whose last checkpoint stands"], options)
    return code


def _spread(spread: engine.Engine, cells: Sequence[Cell], options: Namespace) -> int:
    """All cells, by as many workers as there are."""
    import torch

    from bench.engines import Orders
    from bench.engines.board import Board

    orders = Orders(torch.get_num_threads(), options.checkpoint_every, tuple(options.keep), options.force, options.fast)
    code, missing, left = 0, len(cells), []
    with Board(cells, spread.workers, Console(stderr=True)) as board:
        try:
            for place, ended in spread.run(cells, orders, board, Stop()):
                cell = cells[place]
                code = max(code, _told(cell, ended))
                left += [f"{cell.name} {ended.stopped}"] * bool(ended.stopped)
                missing -= 1
        except KeyboardInterrupt:
            left.append("at once, and the last checkpoints stand")
    left += [f"{missing} not finished"] * bool(missing)
    return _stopped(left, options) if left else code


def _told(cell: Cell, ended: Ended) -> int:
    """Says what became of a cell."""
    if ended.error:
        print(f"error: {cell.name}: {ended.error}", file=sys.stderr)
    for job, outcome in zip(cell.jobs, ended.outcomes, strict=False):
        print(f"{job.name}: {_outcome(job, outcome)}", flush=True)
    return 2 if ended.error else int("diverged" in ended.outcomes)


def _stopped(where: Sequence[str], options: Namespace) -> int:
    again = options.command_line.replace(" --force", "")  # which would begin anew
    print(f"stopped: {'; '.join(where)}; go on with: {again}", file=sys.stderr)
    return 130


def _run_together(cell: Cell, remaining: int, options: Namespace, console: Console) -> int:
    from bench import run, train
    from bench.engines import Ended
    from bench.engines.board import display

    with display(cell, remaining, console) as shown:
        watch = train.Watch(shown.step, Stop(), options.checkpoint_every, tuple(options.keep), shown.say)
        outcomes = run.complete(cell.jobs, watch, options.force)
    return _told(cell, Ended(tuple(outcomes)))


def _outcome(job: Job, outcome: str) -> str:
    from bench import records, run

    if outcome == "busy":
        return "another process works on it; left to that one"
    if outcome == "diverged":
        return "diverged: loss, weights or outputs are no longer finite; the record keeps its curve"
    info = records.read_info(job.folder)
    iteration, _ = run.weights_of(job.folder, info, job.protocol.evaluation, None)
    stem = records.evaluation_stem(job.protocol.evaluation, iteration)
    found = records.read_evaluation(job.folder / "evaluations" / f"{stem}.json")
    return ("already finished (--force runs it again): " if outcome == "skipped" else "") + score(found)


def _report_options(options: Namespace) -> str:
    results = "" if options.results == RESULTS else f" --results {options.results}"
    return results + (f" --file {options.file}" if options.file else "")


class Stop:
    """While it is entered, the first Ctrl-C (or SIGTERM) waits for the end of an iteration; the second ends at once."""

    asked = False

    def __enter__(self) -> Stop:
        self._old = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def __call__(self) -> bool:
        return self.asked

    def _ask(self, *_: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        os.write(sys.stderr.fileno(), b"stopping after this iteration; once more stops at once\n")
