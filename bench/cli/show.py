"""`show`: what a run works with, to look at."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from bench.cli import kinds
from bench.cli.parsing import add_command, add_group, add_protocol_choice


def add(top: Any) -> None:
    """Declares it."""
    show = add_group(top, "show", "show an episode or a protocol", "WHAT")
    parser = add_command(show, "episode", episode, "an episode as a picture", data=True)
    parser.add_argument("--benchmark", required=True, metavar="B")
    parser.add_argument("--split", default="test", help="train, valid or test")
    parser.add_argument("--seed", type=kinds.index, default=0, help="of the training episodes")
    parser.add_argument("--index", type=kinds.index, default=0, help="which episode, from 0")
    parser.add_argument("--queries", type=kinds.positive, help="query images per class (default: the protocol's)")
    parser.add_argument("--out", type=Path, required=True, metavar="PNG")
    parser = add_command(show, "protocol", protocol, "every setting of a protocol, with its source")
    parser.add_argument("name", metavar="PROTOCOL", help="paper, article, ravi or quick")
    add_protocol_choice(parser)


def episode(options: Namespace) -> int:
    """An episode as a picture."""
    from bench import pictures

    o = options
    print(pictures.episode(o.benchmark, o.split, o.seed, o.index, o.queries, o.out, o.data_dir))
    return 0


def protocol(options: Namespace) -> int:
    """Every setting of a protocol, with its source."""
    from bench import presets
    from bench.data import store
    from bench.report import sourced, tables

    benchmark = store.benchmark(options.benchmark)
    shown = sourced.sourced(options.name, benchmark, options.settings)
    last = shown.protocol.training.iterations
    iterations = [*presets.milestones(options.name, benchmark, last), last]
    evaluated = " and ".join(map(str, iterations))
    print(f"{shown.name} on {benchmark.name}: one training, evaluated after {evaluated} iterations")
    print("\n".join(tables.text(sourced.every_setting(shown))))
    return 0
