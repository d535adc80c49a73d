"""How the commands that train go through their runs: progress, stops, outcomes and exit codes."""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from bench.cli import argument_types
from bench.cli.json_events import Tell, silent
from bench.cli.parsing import RESULTS, Parser, add_execution, add_settings, asked_of_every_job
from bench.protocols.measures import MEASURES

if TYPE_CHECKING:
    from bench.cli.workers import Engine
    from bench.records import Evaluated
    from bench.runs import request
    from bench.runs.job import Job
    from bench.runs.workers.work import Cell, Ended


TIME_IS_UP = 75  # EX_TEMPFAIL of sysexits.h: nothing is wrong, the same command goes on


def add_running(parser: Parser) -> None:
    """Declares of which seeds and settings runs are, and how they are gone through."""
    parser.add_argument("--seeds", type=int, metavar="N", help="seeds 0 .. N-1")
    parser.add_argument(
        "--seed", type=int, action="append", default=[], metavar="K", help="one seed; may be given several times"
    )
    parser.add_argument(
        "--iterations", type=int, metavar="N", help="shortens (or lengthens) training, and marks the run"
    )
    add_settings(parser, "such as inner_lr=0.1 or evaluation.queries=15")
    parser.add_argument(
        "--together",
        type=argument_types.positive,
        metavar="N",
        help="seeds that train together (default: 1 on a CPU, all that fit on CUDA)",
    )
    add_execution(parser)
    parser.add_argument(
        "--checkpoint-every", type=argument_types.seconds, default=30.0, metavar="SECONDS", help="between checkpoints"
    )
    parser.add_argument(
        "--max-minutes",
        type=argument_types.minutes,
        default=math.inf,
        metavar="M",
        help=f"end with a checkpoint after M minutes, exit code {TIME_IS_UP}; the same command goes on",
    )
    parser.add_argument("--json", action="store_true", help="events as lines of JSON on stdout, and text on stderr")
    parser.add_argument("--log", metavar="KIND", help="tensorboard: curves as event files in the runs' folders")
    parser.set_defaults(keep=[], force=False)


def requested(options: Namespace, methods: list[str], benchmarks: list[str], protocol: str | None) -> request.Request:
    """What was asked for. Raises UserError."""
    from bench.runs import request, tensorboard

    tensorboard.check(options.log)
    asked = asked_of_every_job(options)
    if options.iterations is not None:
        asked["settings"] = [*options.settings, f"iterations={options.iterations}"]
    seeds = request.seeds(options.seeds, options.seed)
    return request.Request(methods=methods, benchmarks=benchmarks, seeds=seeds, protocol=protocol, **asked)


def run_all(
    groups: Sequence[Sequence[Job]], options: Namespace, spread: Engine | None = None, tell: Tell = silent
) -> int:
    """Does what is missing of every group: 0, 1 where a run diverged, 2 where one could not be made, 130 after Ctrl-C,
    75 where the time is up. `spread`: over its workers, not one after the other in this process. `tell` is told
    of events."""
    from bench.runs.workers.work import Cell

    cells, stop = [Cell(tuple(group)) for group in groups], Stop(options.started + 60 * options.max_minutes)
    return _here(cells, options, stop, tell) if spread is None else _spread(spread, cells, options, stop, tell)


def _here(cells: Sequence[Cell], options: Namespace, stop: Stop, tell: Tell) -> int:
    """In whatever time, at least one iteration or evaluation is done."""
    from bench.training.watch import Interrupted

    console, code, worked = Console(stderr=True), 0, False
    for done, cell in enumerate(cells):
        try:
            ended = _run_together(cell, len(cells) - done, options, console, stop, tell)
        except Interrupted as interrupted:
            return _stopped(stop, tell, [f"{cell.name} {interrupted}"], options)
        except KeyboardInterrupt:
            stop.asked = True
            return _stopped(stop, tell, [f"{cell.name}, whose last checkpoint stands"], options)
        code, worked = max(code, _told(cell, ended, options.keep, tell)), worked or ended.worked
        if stop() and worked and done + 1 < len(cells):
            return _stopped(stop, tell, [f"before {cells[done + 1].name}"], options)
    return code


def _run_together(cell: Cell, remaining: int, options: Namespace, console: Console, stop: Stop, tell: Tell) -> Ended:
    from bench.runs import complete, tensorboard
    from bench.runs.workers.board import display
    from bench.runs.workers.work import Ended
    from bench.training.watch import Watch

    with display(cell, remaining, console, tell) as shown, tensorboard.logged(options.log) as row:
        watch = Watch(shown.step, stop, options.checkpoint_every, tuple(options.keep), shown.say, row, shown.scored)
        return Ended(*complete.complete_runs(cell.jobs, watch, options.force))


def _spread(spread: Engine, cells: Sequence[Cell], options: Namespace, stop: Stop, tell: Tell) -> int:
    """All cells, by as many workers as there are."""
    import torch

    from bench.runs.workers.board import Board
    from bench.runs.workers.work import Orders

    o = options
    orders = Orders(torch.get_num_threads(), o.checkpoint_every, tuple(o.keep), o.force, o.fast, o.log)
    code, missing, left = 0, len(cells), []
    with Board(cells, spread.workers, Console(stderr=True), tell) as board:
        try:
            for place, ended in spread.run(cells, orders, board, stop):
                cell = cells[place]
                code = max(code, _told(cell, ended, o.keep, tell))
                left += [f"{cell.name} {ended.stopped}"] * bool(ended.stopped)
                missing -= 1
        except KeyboardInterrupt:
            stop.asked = True
            left.append("at once, and the last checkpoints stand")
    left += [f"{missing} not finished"] * bool(missing)
    return _stopped(stop, tell, left, options) if left else code


def _told(cell: Cell, ended: Ended, keep: Sequence[int], tell: Tell) -> int:
    """Says what became of a cell, of whose weights those of iterations `keep` were wanted; its exit code."""
    if ended.error:
        print(f"error: {cell.name}: {ended.error}", file=sys.stderr)
        tell("error", runs=[job.name for job in cell.jobs], text=ended.error)
    for job, outcome in zip(cell.jobs, ended.outcomes, strict=False):
        text = _outcome(job, outcome, keep)
        print(f"{job.name}: {text}", flush=True)
        tell("outcome", run=job.name, folder=str(job.folder), outcome=outcome, text=text)
    return 2 if ended.error else int("diverged" in ended.outcomes)


def _stopped(stop: Stop, tell: Tell, where: Sequence[str], options: Namespace) -> int:
    again = options.command_line.replace(" --force", "")  # which would begin anew
    why, code = ("stopped", 130) if stop.asked else ("time is up", TIME_IS_UP)
    print(f"{why}: {'; '.join(where)}; go on with: {again}", file=sys.stderr)
    tell("stopped", why=why, where=list(where), command=again)
    return code


def _outcome(job: Job, outcome: str, keep: Sequence[int]) -> str:
    from bench.records.layout import kept_weights
    from bench.runs.status import RunStatus

    if outcome == "busy":
        return "another process works on it; left to that one"
    status = RunStatus.read(job)
    info = status.info
    if info["status"] == "diverged":
        where = f"diverged at iteration {info.get('diverged_at', info['iteration'])}"
        return f"{where}: loss or weights are no longer finite; the record keeps its curve"
    found = "; ".join(score(status.evaluation(at)) for at in sorted(status.evaluations))
    wanted = {*keep, *(job.milestones if job.protocol.evaluation.weights == "last" else ())}
    lost = sorted(wanted - {*kept_weights(info), info["iteration"]})
    missing = f"; the weights of iteration {', '.join(map(str, lost))} were not kept (--force trains again)"
    return ("already finished (--force runs it again): " if outcome == "skipped" else "") + found + missing * bool(lost)


def results_option(options: Namespace) -> str:
    """What other commands need to find the same records."""
    return "" if options.results == RESULTS else f" --results {options.results}"


class Stop:
    """While it is entered, the first Ctrl-C (or SIGTERM) waits for the end of an iteration; the second ends at once.
    It also asks to stop once the deadline, a moment of `time.monotonic`, has passed."""

    def __init__(self, deadline: float = math.inf) -> None:
        self.asked = False
        self._deadline = deadline

    def __enter__(self) -> Stop:
        self._old = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def __call__(self) -> bool:
        return self.asked or time.monotonic() >= self._deadline

    def _ask(self, *_: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        os.write(sys.stderr.fileno(), b"stopping after this iteration; once more stops at once\n")


def score(found: Evaluated) -> str:
    """The mean score of an evaluation, and what of; where it has none, why."""
    measure, final = MEASURES[found.info["score"]], found.final
    mean = f"{measure.written(final.mean())} on {len(final)} test episodes"
    if found.lost:
        mean = f"no mean: outputs are not finite in {found.lost} of {len(final)} test episodes"
    return f"{mean} after {found.iteration} iterations, inner step {found.step}"
