"""The command line: what can be typed, and which of `bench.commands` answers."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from bench import commands
from bench.errors import UserError

RESULTS = Path("results/runs")
_MOST = 2**31


class _Parser(argparse.ArgumentParser):
    """Argparse, with its complaints as our one line."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[argparse.Namespace, list[str]]:  # type: ignore[override]
        """Complains here, where the options are known that could have been meant."""
        found, extra = super().parse_known_args(args, namespace)
        if extra:
            self.error(f"unrecognized arguments: {' '.join(extra)}")
        return found, extra

    def error(self, message: str) -> NoReturn:
        words = {option for action in self._actions for option in action.option_strings}
        for action in self._actions:
            words |= set(action.choices) if isinstance(action.choices, dict) else set()
        wrong = message.split("unrecognized arguments: ")[-1].split(" ")[0] if "unrecognized" in message else ""
        wrong = message.split("invalid choice: '")[1].split("'")[0] if "invalid choice: '" in message else wrong
        near = get_close_matches(wrong.split("=")[0], sorted(words), n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UserError(f"{message}; {hint}see `{self.prog} --help`")


def main(arguments: Sequence[str]) -> int:
    """Runs one command; returns its exit code. Raises UserError."""
    options = _parser().parse_args(arguments)
    options.command_line = shlex.join(["python", "-m", "bench", *arguments])
    handler: Callable[[argparse.Namespace], int] = options.handler
    return handler(options)


def _parser() -> _Parser:
    parser = _Parser(
        prog="python -m bench",
        description="A reproducibility benchmark for few-shot meta-learning.",
        allow_abbrev=False,
    )
    top = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    _add_run(top)
    _add_evaluate(top)
    _add_report(top)
    _command(top, "list", commands.list_, "methods, benchmarks, and which data are here", data=True)
    _add_show(top)
    _add_data(top)
    _add_speed(top)
    return parser


def _command(
    top: Any,
    name: str,
    handler: Callable[[argparse.Namespace], int],
    help: str,
    *,
    results: bool = False,
    data: bool = False,
    device: bool = False,
) -> _Parser:
    parser: _Parser = top.add_parser(name, help=help, description=help, allow_abbrev=False)
    parser.set_defaults(handler=handler)
    if results:
        parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help=f"records (default {RESULTS})")
    if data:
        parser.add_argument(
            "--data-dir", type=Path, metavar="DIR", help="prepared data (default: BENCH_DATA, or the user's cache)"
        )
    if device:
        parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:n")
        parser.add_argument("--threads", type=_threads, metavar="N", help="CPU threads (default: torch's)")
    return parser


def _add_execution(parser: _Parser) -> None:
    parser.add_argument("--chunk", type=_positive, metavar="N", help="episodes at once (default: chosen to fit)")
    parser.add_argument(
        "--mode", metavar="M", help="eager, compiled, graph or compiled-graph (default: chosen from the whole run)"
    )


def _add_run(top: Any) -> None:
    parser = _command(
        top, "run", commands.run, "train and test methods on a benchmark", results=True, data=True, device=True
    )
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
        type=_positive,
        metavar="N",
        help="seeds that train together (default: 1 on a CPU, all that fit on CUDA)",
    )
    _add_execution(parser)
    _add_settings(parser, "such as inner_lr=0.1 or evaluation.queries=15")
    parser.add_argument(
        "--keep", type=_positive, action="append", default=[], metavar="N", help="keep the weights of iteration N too"
    )
    parser.add_argument(
        "--checkpoint-every", type=_seconds, default=30.0, metavar="SECONDS", help="between checkpoints"
    )
    parser.add_argument("--force", action="store_true", help="run again what is finished")


def _add_evaluate(top: Any) -> None:
    parser = _command(
        top,
        "evaluate",
        commands.evaluate,
        "evaluate a run's weights again, without training",
        results=True,
        data=True,
        device=True,
    )
    parser.add_argument("run", metavar="RUN", help="a run's folder, or the beginning of its name")
    _add_execution(parser)
    _add_settings(parser, "such as queries=15 or batch_statistics=support")
    parser.add_argument("--at", type=_positive, metavar="N", help="the weights of iteration N")


def _add_settings(parser: _Parser, help: str) -> None:
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="NAME=VALUE", help=help)


def _add_report(top: Any) -> None:
    parser = _command(top, "report", commands.report, "tables and figures from everything in the results", results=True)
    parser.add_argument("--out", type=Path, metavar="DIR", help="where files go (default: `report` beside the records)")
    parser.add_argument("--claims", type=Path, metavar="FILE", help="published numbers of your own")


def _add_show(top: Any) -> None:
    show = top.add_parser("show", help="show an episode").add_subparsers(
        required=True, metavar="WHAT", parser_class=_Parser
    )
    parser = _command(show, "episode", commands.show_episode, "an episode as a picture", data=True)
    parser.add_argument("--benchmark", required=True, metavar="B")
    parser.add_argument("--split", default="test", help="train, valid or test")
    parser.add_argument("--seed", type=_index, default=0, help="of the training episodes")
    parser.add_argument("--index", type=_index, default=0, help="which episode, from 0")
    parser.add_argument("--queries", type=_positive, help="query images per class (default: the protocol's)")
    parser.add_argument("--out", type=Path, required=True, metavar="PNG")


def _add_speed(top: Any) -> None:
    parser = _command(
        top, "speed", commands.speed, "time a meta-step beside other implementations", data=True, device=True
    )
    parser.add_argument("--benchmark", default="omniglot-5w1s", metavar="B", help="default omniglot-5w1s")
    parser.add_argument("--method", default="maml", metavar="M", help="maml (default) or fomaml")
    parser.add_argument("--mode", action="append", default=[], metavar="M", help="of ours; may be given several times")
    parser.add_argument("--every-layer", action="store_true", help="ours with each way of the layers and chunks")
    parser.add_argument("--repeats", type=_positive, default=5, metavar="N", help="timed turns (default 5)")
    for name, what in (("--meta-batches", "meta-batch"), ("--inner-steps", "number of inner steps")):
        parser.add_argument(
            name, type=_sizes, default=(), metavar="N,N,...", help=f"show the memory at each {what} of these"
        )
    parser.add_argument("--json", type=Path, metavar="FILE", help="every sample")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="the memory as a picture (.png, .pdf, .svg)")


def _add_data(top: Any) -> None:
    data = top.add_parser("data", help="add, list and verify data").add_subparsers(
        required=True, metavar="ACTION", parser_class=_Parser
    )
    parser = _command(data, "add", commands.data_add, "prepare a data set from your copy of it", data=True)
    parser.add_argument("source", metavar="SOURCE", help="mini-imagenet or omniglot")
    parser.add_argument("path", type=Path, metavar="PATH")
    parser.add_argument("--partial", action="store_true", help="accept a part of the classes")
    _command(data, "list", commands.data_list, "which data are here", data=True)
    _command(data, "verify", commands.data_verify, "compute the sums of all data again", data=True)


def _positive(text: str) -> int:
    """At least 1; what is beyond any machine is refused, so that nothing below has to."""
    if not text.isdecimal() or not 1 <= int(text) <= _MOST:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a whole number from 1 to {_MOST}")
    return int(text)


def _sizes(text: str) -> tuple[int, ...]:
    """Several, each at least 1."""
    return tuple(_positive(part) for part in text.split(","))


def _index(text: str) -> int:
    """At least 0."""
    if not text.isdecimal() or int(text) > _MOST:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a whole number from 0 to {_MOST}")
    return int(text)


def _threads(text: str) -> int:
    """At least 1, and no more than there are processors."""
    most = os.cpu_count() or 1
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise argparse.ArgumentTypeError(
            f"{text[:20]!r} is not a whole number from 1 to {most}, this machine's processors"
        )
    return int(text)


def _seconds(text: str) -> float:
    """Finite, and not below 0."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a number of seconds")
    return value
