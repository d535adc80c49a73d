"""Options for where `run` works: in this process, in several processes, or on a Ray cluster."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from bench.cli import argument_types
from bench.errors import UserError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from bench.runs.groups import Engine


_ENGINES = ("local", "ray")


def add(parser: Any) -> None:
    """Declares the options."""
    parser.add_argument(
        "--engine", default="local", metavar="E", help="local (default): this machine; ray: a Ray cluster"
    )
    parser.add_argument(
        "--workers",
        type=argument_types.workers,
        metavar="N",
        help="processes on this machine (default: one per GPU; without a GPU, one)",
    )
    parser.add_argument(
        "--address",
        metavar="A",
        help="address of the Ray cluster (default: a running one, else a new one on this machine)",
    )


def choose_engine(options: Namespace, device: torch.device) -> Engine:
    """The engine that the options ask for. Raises UserError."""
    from bench.runs import complete
    from bench.runs.workers import in_process, processes, ray_cluster

    if options.engine not in _ENGINES:
        raise unknown_name("engine", options.engine, _ENGINES)
    if options.engine == "ray":
        if options.workers is not None:
            raise UserError("--workers applies to --engine local only: a Ray cluster starts as many workers as fit")
        return ray_cluster.connect(options.address, options.threads or 1, device.type == "cuda", complete.work_apart)
    if options.address is not None:
        raise UserError("--address needs --engine ray")
    gpus = _gpus(options) if device.type == "cuda" else [None] * (options.workers or 1)
    if len(gpus) > 1:
        return processes.Processes(gpus, complete.work_apart)
    return in_process.InProcess(complete.work)


def _gpus(options: Namespace) -> Sequence[str | None]:
    """One GPU per worker; a single entry if the user named a device."""
    from bench.runs.workers import processes

    found = processes.gpus() if options.device in ("auto", "cuda") else ["the one"]
    if options.workers is not None and options.workers > len(found):
        raise UserError(
            f"--workers {options.workers}: each worker needs its own GPU, and this machine has {len(found)}"
        )
    return found[: options.workers]


def threads(options: Namespace, engine: Engine) -> int | None:
    """The number of threads per worker: a share of this machine's threads, or what one Ray task requests; None means
    all."""
    if options.threads is not None or (engine.workers == 1 and options.engine == "local"):
        return options.threads
    if options.engine == "ray":
        return 1

    import torch

    return max(1, torch.get_num_threads() // engine.workers)
