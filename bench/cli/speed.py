"""`speed`: times a meta-step and other implementations of it."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from bench.cli import argument_types
from bench.cli.parsing import add_command
from bench.protocols.benchmarks import INCLUDED


def add(top: Any) -> None:
    """Declares the command and its options."""
    parser = add_command(
        top, "speed", speed, "time a meta-step, and compare with other implementations", data=True, device=True
    )
    parser.add_argument("--benchmark", default=INCLUDED, metavar="B", help=f"benchmark (default {INCLUDED})")
    parser.add_argument("--method", default="maml", metavar="M", help="method: maml (default), fomaml or finetune")
    parser.add_argument(
        "--mode", action="append", default=[], metavar="M", help="mode of our meta-step; may be given several times"
    )
    parser.add_argument(
        "--every-layer", action="store_true", help="time our meta-step with every kind of layers and chunk"
    )
    parser.add_argument(
        "--repeats", type=argument_types.positive, default=5, metavar="N", help="how often each is timed (default 5)"
    )
    for name, what in (("--meta-batches", "meta-batches"), ("--inner-steps", "numbers of inner steps")):
        parser.add_argument(
            name,
            type=argument_types.sizes,
            default=(),
            metavar="N,N,...",
            help=f"measure memory at each of these {what}",
        )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample to this file")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="draw the memory into this file (.png, .pdf, .svg)")


def speed(options: Namespace) -> int:
    """Times our meta-step beside a plain loop and the installed libraries."""
    from bench.data import store

    store.benchmark(options.benchmark, options.data_dir)  # a misspelt name is reported before torch is imported

    from bench import devices, files
    from bench.tools.speed import compare, results

    devices.make_repeatable(options.threads)
    devices.keep_memory()
    o, where = options, devices.device(options.device)
    modes = tuple(dict.fromkeys(o.mode)) or compare.default_modes(where)
    request = compare.SpeedRequest(
        o.benchmark, o.method, where, o.data_dir, modes, o.every_layer, o.repeats, o.meta_batches, o.inner_steps
    )
    found = compare.run(request, lambda line: print(line, file=sys.stderr, flush=True))
    found["command"] = o.command_line
    print("\n".join(results.table(found)))
    if o.json is not None:
        files.write_json(o.json, found)
    if o.figure is not None:
        results.figure(found, o.figure)
    return 0
