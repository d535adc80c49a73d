"""Runs trainings for the commands that train: options, progress, interruptions and exit codes."""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli import argument_types
from bench.cli.json_events import Emit
from bench.cli.outcomes import Outcomes
from bench.cli.parsing import RESULTS, Parser, add_execution, add_settings, asked_of_every_job
from bench.errors import unknown_name

if TYPE_CHECKING:
    from bench.runs import request
    from bench.runs.groups import Engine, GroupEvent
    from bench.runs.job import Job


TIME_IS_UP = 75  # EX_TEMPFAIL of sysexits.h: nothing is wrong, and the same command resumes


def add_running(parser: Parser) -> None:
    """Declares the options for seeds and settings, and for how the runs are executed."""
    parser.add_argument("--seeds", type=int, metavar="N", help="train with seeds 0 to N-1 (default: seed 0)")
    parser.add_argument(
        "--seed",
        type=int,
        action="append",
        default=[],
        metavar="K",
        help="train with seed K; may be given several times",
    )
    parser.add_argument("--iterations", type=int, metavar="N", help="train for N iterations; the results are marked")
    add_settings(parser, "change a setting of the protocol, such as inner_lr=0.1 or evaluation.queries=15")
    parser.add_argument(
        "--together",
        type=argument_types.positive,
        metavar="N",
        help="seeds that train together in one process (default: 1 on a CPU, as many as fit on CUDA)",
    )
    add_execution(parser)
    parser.add_argument(
        "--checkpoint-every",
        type=argument_types.seconds,
        default=30.0,
        metavar="SECONDS",
        help="seconds between checkpoints (default 30)",
    )
    parser.add_argument(
        "--max-minutes",
        type=argument_types.minutes,
        default=math.inf,
        metavar="M",
        help=f"write a checkpoint and stop after M minutes, with exit code {TIME_IS_UP}; the same command resumes",
    )
    parser.add_argument(
        "--json", action="store_true", help="print events to stdout, one JSON object per line, and text to stderr"
    )
    parser.add_argument(
        "--log", metavar="KIND", help="tensorboard: write the learning curves as event files into the runs' folders"
    )
    parser.set_defaults(keep=[], force=False)


def check_names(
    options: Namespace, methods: Sequence[str], benchmarks: Sequence[str], protocols: Sequence[str]
) -> None:
    """Reports a misspelt name or an invalid seed before torch is imported, which takes seconds. Raises UserError."""
    from bench.data import store
    from bench.protocols import known_methods, presets, settings
    from bench.protocols.protocol import Evaluation, Protocol, Training
    from bench.runs import request

    for method in methods:
        known_methods.check(method)
    for benchmark in benchmarks:
        store.benchmark(benchmark, options.data_dir)
    for protocol in protocols:
        if protocol not in presets.PRESETS:
            raise unknown_name("protocol", protocol, presets.PRESETS)
    settings.with_settings(Protocol(Training(), Evaluation()), options.settings)
    request.seeds(options.seeds, options.seed)


def make_request(
    options: Namespace, methods: list[str], benchmarks: list[str], protocol: str | None
) -> request.Request:
    """The request that the options describe. Raises UserError."""
    from bench.runs import request, tensorboard

    tensorboard.check(options.log)
    asked = asked_of_every_job(options)
    if options.iterations is not None:
        asked["settings"] = [*options.settings, f"iterations={options.iterations}"]
    seeds = request.seeds(options.seeds, options.seed)
    return request.Request(methods=methods, benchmarks=benchmarks, seeds=seeds, protocol=protocol, **asked)


def run_all(
    groups: Sequence[Sequence[Job]], options: Namespace, engine: Engine, emit: Emit, worked_on: set[Path]
) -> int:
    """Does the work that each group still needs, with this engine. Returns 0; 1 if a run diverged; 2 after an error;
    130 after Ctrl-C; 75 if the time is up. `emit` receives the JSON events; `worked_on`: as in `Outcomes`."""
    import torch

    from bench.runs.display import live_bars
    from bench.runs.groups import WorkOptions, seed_groups
    from bench.runs.workers.board import Board, Reporter

    o, all_groups = options, seed_groups(groups, options.force)
    work = WorkOptions(torch.get_num_threads(), o.checkpoint_every, tuple(o.keep), o.fast, o.log)
    stop, outcomes = Stop(o.started + 60 * o.max_minutes), Outcomes(all_groups, o.keep, emit, worked_on)
    with live_bars() as bars, stop:
        listeners = (Board(all_groups, engine.workers, bars), Reporter(all_groups, emit), outcomes)

        def on_event(place: int, event: GroupEvent) -> None:
            for listener in listeners:
                listener(place, event)

        try:
            engine.run(all_groups, work, on_event, stop)
        except KeyboardInterrupt:
            stop.asked = True
            outcomes.stopped.append("immediately; the last checkpoints are kept")
    left = outcomes.left()
    return _report_stop(stop, emit, left, options) if left else outcomes.code


def _report_stop(stop: Stop, emit: Emit, where: Sequence[str], options: Namespace) -> int:
    again = options.command_line.replace(" --force", "")  # --force would start again from the beginning
    why, code = ("stopped", 130) if stop.asked else ("time is up", TIME_IS_UP)
    print(f"{why}: {'; '.join(where)}; resume with: {again}", file=sys.stderr)
    emit("stopped", why=why, where=list(where), command=again)
    return code


def results_option(options: Namespace) -> list[str]:
    """The `--results` option that another command needs to find the same records; empty for the default folder."""
    return [] if options.results == RESULTS else ["--results", str(options.results)]


class Stop:
    """Context manager: the first Ctrl-C (or SIGTERM) asks to stop after the current iteration or evaluation; the second
    stops at once. Calling it tells whether to stop, also because the deadline, a time of `time.monotonic`, has
    passed."""

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
        # To the file descriptor: a signal handler may interrupt a print.
        os.write(2, b"stopping after this iteration or evaluation; press Ctrl-C again to stop immediately\n")
