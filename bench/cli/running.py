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

from bench.cli import kinds
from bench.cli.parsing import RESULTS, Parser, add_execution, add_settings, asked_of_every_job
from bench.cli.words import score

if TYPE_CHECKING:
    from bench import plan
    from bench.job import Job

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
        type=kinds.positive,
        metavar="N",
        help="seeds that train together (default: 1 on a CPU, all that fit on CUDA)",
    )
    add_execution(parser)
    parser.add_argument(
        "--checkpoint-every", type=kinds.seconds, default=30.0, metavar="SECONDS", help="between checkpoints"
    )
    parser.add_argument(
        "--max-minutes",
        type=kinds.minutes,
        default=math.inf,
        metavar="M",
        help=f"end with a checkpoint after M minutes, exit code {TIME_IS_UP}; the same command goes on",
    )
    parser.set_defaults(keep=[], force=False)


def requested(options: Namespace, methods: list[str], benchmarks: list[str], protocol: str | None) -> plan.Request:
    """What was asked for. Raises UserError."""
    from bench import plan

    return plan.Request(
        methods,
        benchmarks,
        plan.seeds(options.seeds, options.seed),
        protocol,
        options.settings + ([f"iterations={options.iterations}"] if options.iterations is not None else []),
        *asked_of_every_job(options),
    )


def run_all(groups: Sequence[Sequence[Job]], options: Namespace) -> int:
    """Does what is missing of every group: 0, 1 where a run diverged, 130 after Ctrl-C, 75 where the time is up. In
    whatever time, a command does at least one iteration or evaluation."""
    from bench.train import Interrupted

    console, code, stop = Console(stderr=True), 0, Stop(options.started + 60 * options.max_minutes)
    for done, group in enumerate(groups):
        try:
            outcomes = _run_together(group, len(groups) - done, options, console, stop)
        except Interrupted as interrupted:
            return _stopped(stop, f"{_name(group)} {interrupted}", options)
        except KeyboardInterrupt:
            stop.asked = True
            return _stopped(stop, f"{_name(group)}, whose last checkpoint stands", options)
        code = max(code, int("diverged" in outcomes))
        if stop() and done + 1 < len(groups) and set(outcomes) != {"skipped"}:
            return _stopped(stop, f"before {_name(groups[done + 1])}", options)
    return code


def _name(group: Sequence[Job]) -> str:
    """What runs that train together are called: the first one's name, and the other seeds."""
    return group[0].name + "".join(f",{job.seed}" for job in group[1:])


def _stopped(stop: Stop, where: str, options: Namespace) -> int:
    again = options.command_line.replace(" --force", "")  # which would begin anew
    why, code = ("stopped", 130) if stop.asked else ("time is up", TIME_IS_UP)
    print(f"{why}: {where}; go on with: {again}", file=sys.stderr)
    return code


def _run_together(group: Sequence[Job], remaining: int, options: Namespace, console: Console, stop: Stop) -> list[str]:
    from bench import presets, run, train
    from bench.progress import Display

    first = group[0]
    full = presets.preset("paper", first.benchmark).training.iterations if first.preset == "quick" else None
    iterations, measure = first.protocol.training.iterations, first.benchmark.measure
    with Display(_name(group), iterations, remaining, full, console, measure) as display:
        watch = train.Watch(display.step, stop, options.checkpoint_every, tuple(options.keep), display.say)
        outcomes = run.complete(group, watch, options.force)
    for job, outcome in zip(group, outcomes, strict=True):
        print(f"{job.name}: {_outcome(job, outcome)}", flush=True)
    return outcomes


def _outcome(job: Job, outcome: str) -> str:
    from bench import records, standing

    if outcome == "busy":
        return "another process works on it; left to that one"
    if outcome == "diverged":
        return "diverged: loss, weights or outputs are no longer finite; the record keeps its curve"
    info = records.read_info(job.folder)
    iterations = standing.evaluated_at(job, info)
    found = "; ".join(score(standing.scores_at(job, at)) for at in sorted(iterations))
    lost = [str(at) for at in job.milestones if at not in iterations and job.protocol.evaluation.weights == "last"]
    missing = f"; the weights of iteration {', '.join(lost)} were not kept (--force trains again)" if lost else ""
    return ("already finished (--force runs it again): " if outcome == "skipped" else "") + found + missing


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
