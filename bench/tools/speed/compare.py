"""Compares speed and memory of our implementation, a plain loop and other libraries, on this machine.

`case` defines what is timed, `contenders` the implementations, `plain_network` the module that libraries need,
`measure` and `peak` measure, and `results` shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from bench import provenance
from bench.data import store
from bench.errors import UserError
from bench.networks.layers import ALONE, LAYERS
from bench.tools.speed import contenders, measure
from bench.tools.speed.case import Case
from bench.tools.speed.results import REFERENCE
from bench.training.execution import COMPILED, COMPILED_GRAPH, EAGER, GRAPH, Execution

_TOLERANCE = 1e-3  # relative to the gradient's norm, in float32


@dataclass(frozen=True)
class SpeedRequest:
    """What to time. `modes`: of our meta-step; `every_layer`: each mode with every kind of layers."""

    benchmark: str
    method: str
    device: torch.device
    data_dir: Path | None
    modes: Sequence[str]
    every_layer: bool
    repeats: int
    meta_batches: Sequence[int]
    inner_steps: Sequence[int]


def run(request: SpeedRequest, say: Callable[[str], None]) -> dict[str, Any]:
    """All measurements: raw samples, medians, memory, and the environment. Raises UserError if two contenders do not
    compute the same gradient."""
    case = Case(store.benchmark(request.benchmark, request.data_dir), request.method, request.device, request.data_dir)
    everybody = dict(_contenders(case, request, say))
    _check(everybody, say)
    steps = {name: each.meta_step for name, each in everybody.items()}
    tests = {name: each.evaluation for name, each in everybody.items()}
    say("timing meta-steps")
    step_seconds = measure.time_in_turns(steps, request.repeats, case.device)
    say("timing evaluations")
    test_seconds = measure.time_in_turns(tests, max(1, request.repeats // 2), case.device)
    names = list(everybody)
    del everybody, steps, tests
    rows = [
        {
            "contender": name,
            "meta_step_seconds": step_seconds[name],
            "evaluation_seconds": test_seconds[name],
            "peak_bytes": _peak(request, name, None, None, say),
        }
        for name in names
    ]
    return {
        "benchmark": request.benchmark,
        "method": request.method,
        "device": str(request.device),
        "threads": torch.get_num_threads(),
        "meta_batch": case.protocol.training.meta_batch,
        "inner_steps": case.protocol.training.inner_steps,
        "test_episodes": len(case.test_batch.support),
        "test_inner_steps": case.test_steps,
        "environment": provenance.describe(),
        "libraries": {name: provenance.version_of(name) for name in contenders.LIBRARIES},
        "rows": rows,
        "memory": list(_memory(request, names, say)),
    }


def default_modes(device: torch.device) -> tuple[str, ...]:
    """The modes that a long and a short training would use."""
    return (COMPILED_GRAPH, GRAPH) if device.type == "cuda" else (COMPILED, EAGER)


def _contenders(
    case: Case, request: SpeedRequest, say: Callable[[str], None]
) -> Iterator[tuple[str, contenders.Contender]]:
    others = contenders.installed_loops(case.method)
    for mode in request.modes:
        chosen = case.execution(mode)
        for execution in _variants(chosen) if request.every_layer else (chosen,):
            name = f"ours {mode}" + (f", {execution.layers}, chunk {execution.chunk}" if request.every_layer else "")
            say(f"preparing {name}")
            try:
                yield name, contenders.Ours(case, execution)
            except RuntimeError as error:
                say(f"{name} does not run here: {str(error).strip().splitlines()[0]}")
    for name, kind in others.items():
        yield name, kind(case)


def _variants(chosen: Execution) -> list[Execution]:
    """The mode with every kind of layers, one chunk or one episode at a time."""
    return [
        replace(chosen, layers=layers, chunk=chunk)
        for layers in LAYERS
        for chunk in dict.fromkeys((1,) if layers in ALONE else (chosen.chunk, 1))
    ]


def _check(everybody: dict[str, contenders.Contender], say: Callable[[str], None]) -> None:
    """Raises UserError unless the first meta-step of each contender gives the loop's gradient; the tests compare in
    float64."""
    gradients = {}
    for name, contender in everybody.items():
        contender.meta_step()
        gradients[name] = torch.cat(
            [p.grad.flatten() for _, p in sorted(contender.params.items()) if p.grad is not None]
        )
    reference = gradients[REFERENCE]
    for name, gradient in gradients.items():
        away = float((gradient - reference).norm() / reference.norm())
        say(f"gradient of {name}: differs from the loop's by {away:.1e}")
        if not away < _TOLERANCE:
            raise UserError(f"{name} does not compute the gradient of the loop: it differs by {away:.1e}")


def _memory(request: SpeedRequest, names: Sequence[str], say: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """The memory of our uncompiled meta-step (compiling would be needed for every size), and of all others."""
    plain = GRAPH if request.device.type == "cuda" else EAGER
    chosen = [f"ours {plain}", *(name for name in names if not name.startswith("ours"))]
    for what, sizes in (("meta_batch", request.meta_batches), ("inner_steps", request.inner_steps)):
        for size in sizes:
            for name in chosen:
                wanted = {what: size}
                peak = _peak(request, name, wanted.get("meta_batch"), wanted.get("inner_steps"), say)
                yield {"what": what, "size": size, "contender": name, "peak_bytes": peak}


def _peak(
    request: SpeedRequest, name: str, meta_batch: int | None, inner_steps: int | None, say: Callable[[str], None]
) -> int | None:
    if request.every_layer and name.startswith("ours"):
        return None
    say(f"measuring the memory of {name}")
    contender, _, mode = name.partition(" ")
    return measure.peak_bytes(
        {
            "contender": contender,
            "benchmark": request.benchmark,
            "method": request.method,
            "device": str(request.device),
            "threads": torch.get_num_threads(),
            "data_dir": request.data_dir and str(request.data_dir),
            "mode": mode or EAGER,
            "meta_batch": meta_batch,
            "inner_steps": inner_steps,
        }
    )
