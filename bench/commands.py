"""What each command does: one library call, then print. Costly imports stay inside the command that needs them."""

from __future__ import annotations

import os
import signal
import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from bench.errors import UserError

if TYPE_CHECKING:
    from bench.job import Job
    from bench.records import Evaluated


def run(options: Namespace) -> int:
    """Trains and tests; a run that is finished is skipped, one that was interrupted goes on."""
    from bench import environment, plan

    environment.make_repeatable(options.threads)
    environment.reuse_memory()
    settings = options.settings + ([f"iterations={options.iterations}"] if options.iterations is not None else [])
    request = plan.Request(
        options.method or ["maml"],
        options.benchmark or [],
        plan.seeds(options.seeds, options.seed),
        options.protocol,
        settings,
        environment.device(options.device),
        options.results,
        options.data_dir,
        options.chunk,
        options.mode,
        options.command_line,
    )
    jobs = plan.jobs(request)
    print("\n".join(plan.described(jobs)), flush=True)
    return _run_all(plan.groups(jobs, options.together), options)


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
    print(f"tables and figures: python -m bench report{_results_option(options)}")
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
    with Display(_name(group), first.protocol.training.iterations, remaining, full, console) as display:
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
    iteration, _ = run.weights_of(job.folder, info, job.protocol.evaluation, None)
    stem = records.evaluation_stem(job.protocol.evaluation, iteration)
    found = records.read_evaluation(job.folder / "evaluations" / f"{stem}.json")
    return ("already finished (--force runs it again): " if outcome == "skipped" else "") + _score(found)


def _score(found: Evaluated) -> str:
    return (
        f"{100 * found.final.mean():.2f} % on {len(found.final)} test episodes "
        f"after {found.iteration} iterations, inner step {found.step}"
    )


def evaluate(options: Namespace) -> int:
    """Evaluates a run's weights once more, under another evaluation; it adds to the record."""
    from bench import environment, plan, run

    environment.make_repeatable(options.threads)
    environment.reuse_memory()
    where = environment.device(options.device)
    o = options
    job = plan.evaluation_job(o.run, o.results, o.data_dir, o.settings, where, o.chunk, o.mode)
    try:
        print(f"{job.name}: {_score(run.evaluated(job, o.at, lambda line: print(line, file=sys.stderr)))}")
    except run.Busy:
        raise UserError(f"another process works on {job.name}") from None
    return 0


def speed(options: Namespace) -> int:
    """Times ours beside the plain loop and the libraries that are installed."""
    from bench import environment, records, speed

    environment.make_repeatable(options.threads)
    environment.reuse_memory()
    o, where = options, environment.device(options.device)
    modes = tuple(dict.fromkeys(o.mode)) or speed.default_modes(where)
    request = speed.Request(
        o.benchmark, o.method, where, o.data_dir, modes, o.every_layer, o.repeats, o.meta_batches, o.inner_steps
    )
    found = speed.run(request, lambda line: print(line, file=sys.stderr, flush=True))
    found["command"] = o.command_line
    print("\n".join(speed.table(found)))
    if o.json is not None:
        records.write_json(o.json, found)
    if o.figure is not None:
        speed.figure(found, o.figure)
    return 0


def report(options: Namespace) -> int:
    """Tables and figures; 1 where a record could not be read."""
    from bench import report

    made = report.build(options.results, options.out or options.results.parent / "report", options.claims)
    print(made.text)
    for problem in made.problems:
        print(f"left out: {problem}", file=sys.stderr)
    return 1 if made.problems else 0


def list_(options: Namespace) -> int:
    """Methods, benchmarks and data."""
    from bench import inventory

    print("\n".join(inventory.everything(options.data_dir)))
    return 0


def show_episode(options: Namespace) -> int:
    """An episode as a picture."""
    from bench import pictures

    o = options
    print(pictures.episode(o.benchmark, o.split, o.seed, o.index, o.queries, o.out, o.data_dir))
    return 0


def data_add(options: Namespace) -> int:
    """Prepares a data set."""
    from bench import inventory
    from bench.data import store

    manifest = store.add(options.source, options.path, options.data_dir, options.partial)
    print("\n".join(inventory.manifest(manifest)))
    return 0


def data_list(options: Namespace) -> int:
    """Which data are here."""
    from bench import inventory

    print("\n".join(inventory.data_sets(options.data_dir)))
    return 0


def data_verify(options: Namespace) -> int:
    """Sums of all data, computed again; 1 where one is not the recorded one."""
    from bench.data import store

    results = store.verify(options.data_dir)
    print("\n".join(found["line"] for found in results))
    return 0 if all(found["ok"] for found in results) else 1


def _results_option(options: Namespace) -> str:
    from bench.cli import RESULTS

    return "" if options.results == RESULTS else f" --results {options.results}"


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
