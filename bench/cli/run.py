"""`run`: trains and tests methods on benchmarks."""

from __future__ import annotations

import os
import signal
import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console

from bench.cli import kinds
from bench.cli.parsing import RESULTS, add_command, add_execution, add_settings, asked_of_every_job
from bench.cli.words import score
from bench.errors import UserError

if TYPE_CHECKING:
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
    print("\n".join(line for jobs in blocks for line in plan.described(jobs)), flush=True)
    groups = [group for jobs in blocks for group in plan.groups(jobs, options.together)]
    return _dry_run(groups) if options.dry_run else _run_all(groups, options)


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


def _run_all(groups: Sequence[Sequence[Job]], options: Namespace) -> int:
    from bench.train import Interrupted

    console, code = Console(stderr=True), 0
    for done, group in enumerate(groups):
        try:
            code = max(code, _run_together(group, len(groups) - done, options, console))
        except Interrupted as interrupted:
            return _stopped(f"{_name(group)} at iteration {interrupted}", options)
        except KeyboardInterrupt:
            return _stopped(f"{_name(group)}, whose last checkpoint stands", options)
    print(f"tables and figures: python -m bench report{_report_options(options)}")
    return code


def _name(group: Sequence[Job]) -> str:
    """What runs that train together are called: the first one's name, and the other seeds."""
    return group[0].name + "".join(f",{job.seed}" for job in group[1:])


def _stopped(where: str, options: Namespace) -> int:
    again = options.command_line.replace(" --force", "")  # which would begin anew
    print(f"stopped: {where}; go on with: {again}", file=sys.stderr)
    return 130


def _run_together(group: Sequence[Job], remaining: int, options: Namespace, console: Console) -> int:
    from bench import presets, run, train
    from bench.progress import Display

    first = group[0]
    full = presets.preset("paper", first.benchmark).training.iterations if first.preset == "quick" else None
    iterations, measure = first.protocol.training.iterations, first.benchmark.measure
    with Display(_name(group), iterations, remaining, full, console, measure) as display:
        watch = train.Watch(display.step, Stop(), options.checkpoint_every, tuple(options.keep), display.say)
        outcomes = run.complete(group, watch, options.force)
    for job, outcome in zip(group, outcomes, strict=True):
        print(f"{job.name}: {_outcome(job, outcome)}", flush=True)
    return int("diverged" in outcomes)


def _outcome(job: Job, outcome: str) -> str:
    from bench import records, run

    if outcome == "busy":
        return "another process works on it; left to that one"
    if outcome == "diverged":
        return "diverged: loss, weights or outputs are no longer finite; the record keeps its curve"
    info = records.read_info(job.folder)
    iterations = run.evaluated_at(job, info)
    found = "; ".join(score(run.scores_at(job, at)) for at in sorted(iterations))
    lost = [str(at) for at in job.milestones if at not in iterations and job.protocol.evaluation.weights == "last"]
    missing = f"; the weights of iteration {', '.join(lost)} were not kept (--force trains again)" if lost else ""
    return ("already finished (--force runs it again): " if outcome == "skipped" else "") + found + missing


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
