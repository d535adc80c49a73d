"""Parses commands: argparse with our error messages, and the options that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from bench.cli import argument_types
from bench.errors import UserError, nearest
from bench.protocols.benchmarks import FIRST

RESULTS = Path("results/runs")


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that reports every error as one line, as a UserError."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[argparse.Namespace, list[str]]:  # type: ignore[override]
        """Parses arguments. Reports unknown ones here, because this parser knows the options that may have been
        meant."""
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
        near = nearest(wrong.split("=")[0], sorted(words))
        hint = f"did you mean {near}? " if near else ""
        raise UserError(f"{message}; {hint}see `{self.prog} --help`")


def add_command(
    top: Any,
    name: str,
    handler: Callable[[argparse.Namespace], int],
    help: str,
    *,
    results: bool = False,
    data: bool = False,
    device: bool = False,
    threads: bool = False,
) -> Parser:
    """Adds a command to `top`, with the shared options for results, data, device and threads that it asks for."""
    parser: Parser = top.add_parser(name, help=help, description=help, allow_abbrev=False)
    parser.set_defaults(handler=handler)
    if results:
        parser.add_argument(
            "--results", type=Path, default=RESULTS, metavar="DIR", help=f"where records are kept (default {RESULTS})"
        )
    if data:
        parser.add_argument(
            "--data-dir", type=Path, metavar="DIR", help="prepared data (default: $BENCH_DATA, else your cache folder)"
        )
    if device:
        parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or cuda:n")
    if device or threads:
        parser.add_argument(
            "--threads", type=argument_types.threads, metavar="N", help="CPU threads (default: torch's choice)"
        )
    return parser


def add_execution(parser: Parser) -> None:
    """Declares options for how steps are executed; they are not part of the protocol."""
    parser.add_argument(
        "--chunk", type=argument_types.positive, metavar="N", help="episodes computed at once (default: as fits memory)"
    )
    parser.add_argument(
        "--mode", metavar="M", help="eager, compiled, graph or compiled-graph (default: chosen for the run's length)"
    )
    parser.add_argument(
        "--fast", action="store_true", help="allow non-deterministic kernels: results may differ in the last bits"
    )


def add_own(parser: Parser, more: str = "") -> None:
    """Declares `--method FILE` for a method that is not built in: code that a record names is never imported by itself.
    `more` is added to the help text."""
    text = f"the file of the run's method, if you wrote it{more}"
    parser.add_argument("--method", action="append", default=[], metavar="FILE", help=text)


def asked_of_every_job(options: argparse.Namespace) -> dict[str, Any]:
    """The fields of a `Request` that every command fills in the same way: settings, folders, execution, device and the
    command line."""
    from bench import devices

    same = {name: getattr(options, name) for name in ("settings", "results", "data_dir", "chunk", "mode")}
    return same | {"device": devices.device(options.device), "command": options.command_line}


def add_settings(parser: Parser, help: str) -> None:
    """Declares `--set name=value`, for fields of the protocol."""
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="NAME=VALUE", help=help)


def add_protocol_choice(parser: Parser) -> None:
    """Declares `--benchmark`, for which protocols are shown, and `--set`."""
    parser.add_argument("--benchmark", default=FIRST, metavar="B", help=f"benchmark (default {FIRST})")
    add_settings(parser, "change a setting of the protocol, such as inner_lr=0.1 or evaluation.queries=15")


def add_group(top: Any, name: str, help: str, metavar: str) -> Any:
    """Adds a command that consists of subcommands, such as `data add`. Returns the object that subcommands are added
    to."""
    parser: Parser = top.add_parser(name, help=help, description=help, allow_abbrev=False)
    return parser.add_subparsers(required=True, metavar=metavar, parser_class=Parser)


def add_out(parser: Parser) -> None:
    """Declares `--out`, where a report is written; without it, see `report_folder`."""
    places = "results/report, or `report` inside the folder given by --results"
    parser.add_argument("--out", type=Path, metavar="DIR", help=f"where to write (default: {places})")


def report_folder(results: Path, name: str = "report") -> Path:
    """Where a report is written without `--out`: beside the default results folder, but inside any other one, so that
    no report overwrites the report of another folder."""
    return results.parent / name if results == RESULTS else results / name
