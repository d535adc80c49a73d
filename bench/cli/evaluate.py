"""`evaluate`: evaluates a run's weights again, or weights that were trained elsewhere."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli import argument_types, chosen_runs
from bench.cli.outcomes import score
from bench.cli.parsing import add_command, add_execution, add_own, add_settings, asked_of_every_job
from bench.errors import UserError

if TYPE_CHECKING:
    from bench.runs.job import Job
    from bench.runs.request import Request


def add(top: Any) -> None:
    """Declares the command and its options."""
    parser = add_command(
        top,
        "evaluate",
        evaluate,
        "evaluate a run's weights again, or weights that were trained elsewhere",
        results=True,
        data=True,
        device=True,
    )
    chosen_runs.add(parser)
    parser.add_argument(
        "--checkpoint",
        type=Path,
        metavar="PATH",
        help="weights instead of a RUN: a PyTorch state_dict of a Conv4 (a file), or the folder of a TensorFlow "
        "checkpoint of the paper's code",
    )
    parser.add_argument(
        "--map", type=Path, metavar="FILE", help="TOML file that maps our parameter names to the state_dict's"
    )
    parser.add_argument(
        "--benchmark", metavar="B", help="the benchmark of the checkpoint, or another benchmark to evaluate RUN on"
    )
    parser.add_argument("--protocol", metavar="P", help="the protocol to evaluate the checkpoint under (default paper)")
    add_own(parser, "; for a state_dict, any method (default maml)")
    add_execution(parser)
    add_settings(parser, "such as queries=15 or batch_statistics=support; for a state_dict also inner_lr and others")
    parser.add_argument("--at", type=argument_types.positive, metavar="N", help="evaluate the weights of iteration N")


def evaluate(options: Namespace) -> int:
    """Evaluates weights again and adds the result to the record. Returns 1 if any episode has no finite score."""
    _check(options)
    folders = [] if options.checkpoint else chosen_runs.folders(options, ("finished",))

    from bench import devices, records
    from bench.records import locks
    from bench.runs.display import Display, live_bars
    from bench.runs.reevaluation import evaluate_run

    devices.make_repeatable(options.threads, options.fast)
    devices.keep_memory()
    lost = 0
    for job in _jobs(folders, options):
        try:
            with live_bars() as bars:
                found = evaluate_run(job, options.at, Display(job.name, job.benchmark.measure, bars))
        except locks.Busy as busy:
            raise UserError(f"another process is training or evaluating {busy}: try again later") from None
        on = f" on {found.evaluation.benchmark}" if found.evaluation.benchmark else ""
        print(f"{job.name}{on}: {score(found, records.counted(job.folder))}", flush=True)
        lost += found.lost
    return int(lost > 0)


def _jobs(folders: Sequence[Path], options: Namespace) -> list[Job]:
    """The evaluations to do. Raises UserError for a user's mistake before the first one starts."""
    from bench.runs import reevaluation

    if options.checkpoint is not None:
        return [_checkpoint_job(options)]
    request = _request(options)
    return [reevaluation.evaluation_job(str(folder), request, options.at) for folder in folders]


def _check(options: Namespace) -> None:
    named = bool(options.run or options.all)
    if named == (options.checkpoint is not None):
        raise UserError("evaluate: name a RUN, or give --all, or --checkpoint PATH with --benchmark")
    if options.checkpoint is not None and options.benchmark is None:
        raise UserError("--checkpoint also needs --benchmark, such as miniimagenet-5w1s: the files do not name it")
    if options.checkpoint is not None and options.at is not None:
        raise UserError("--at does not apply to --checkpoint: a checkpoint holds the weights of one iteration")
    if named and (options.protocol or options.map):
        option = "--protocol" if options.protocol else "--map"
        raise UserError(f"{option} applies to --checkpoint only: a RUN has its own; change its settings with --set")


def _checkpoint_job(options: Namespace) -> Job:
    from bench.tools.authors_weights import adopt
    from bench.tools.authors_weights.checkpoint import read
    from bench.tools.state_dicts.weights import is_one, refuse_folder

    if is_one(options.checkpoint):
        return _state_dict_job(options)
    if options.map is not None:
        raise UserError("--map applies to a state_dict only: the tensors of a TensorFlow checkpoint are known by name")
    if options.method:
        raise UserError("--method applies to a state_dict only: a TensorFlow checkpoint is evaluated with maml")
    refuse_folder(options.checkpoint)
    checkpoint = read(options.checkpoint)
    job = adopt.checkpoint_job(checkpoint, _request(options))
    adopt.adopt(job, checkpoint)
    files = ", ".join(f"{name} {digest[:12]}" for name, digest in checkpoint.files.items())
    print(f"weights     {checkpoint.about()['name']}, trained elsewhere; checksums verified: {files}", flush=True)
    return job


def _state_dict_job(options: Namespace) -> Job:
    from bench.runs.adopt import adopt_state
    from bench.tools.state_dicts import description
    from bench.tools.state_dicts.adopt import state_dict_job
    from bench.tools.state_dicts.state import state
    from bench.tools.state_dicts.weights import read

    weights = read(options.checkpoint, options.map)
    job, told = state_dict_job(weights, _request(options))
    iterations = job.protocol.training.iterations if "iterations" in told else None
    adopt_state(job, state(weights, job), weights.about(iterations))
    print(f"weights     {weights.about()['name']}, trained elsewhere; SHA-256 {weights.sha256[:12]}")
    print("\n".join(description.lines(weights, job, told)))
    print(f"map         edit this where it is wrong, and pass it with --map:\n{weights.matching.toml()}", flush=True)
    return job


def _request(options: Namespace) -> Request:
    from bench.runs import request

    benchmarks, asked = [options.benchmark] if options.benchmark else [], asked_of_every_job(options)
    return request.Request(methods=options.method, benchmarks=benchmarks, seeds=[], protocol=options.protocol, **asked)
