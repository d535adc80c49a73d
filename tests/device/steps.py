"""Times meta-steps and evaluations of our implementation, the libraries and the plain loop, interleaved in one process;
then first-order meta-steps, and the memory of a meta-batch of 64. Images are noise."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from bench import devices, files, provenance
from bench.networks.layers import KERNELS
from bench.tools.speed import measure
from bench.tools.speed.contenders import Contender, Ours, installed_loops
from bench.training.execution import GRAPH, Execution
from tests.device.synthetic import Synthetic, case

_ROUNDS, _REPEATS = 8, 5
MODE = GRAPH
LAYERS = (*KERNELS, "masked")  # the last is what ran before there were kernels


def contenders(of: Synthetic) -> dict[str, Contender]:
    """The implementations that can be built here; for each of the others it prints why not."""
    builders: dict[str, Callable[[], Contender]] = {
        f"ours {MODE}, {layers}": lambda layers=layers: Ours(of, chunked(of, layers)) for layers in LAYERS
    }
    builders |= {name: lambda kind=kind: kind(of) for name, kind in installed_loops(of.method).items()}
    built: dict[str, Contender] = {}
    for name, build in builders.items():
        try:
            built[name] = build()
        except Exception as error:  # whatever a compiler, a driver or a library throws
            print(f"{name} does not run here: {error}", flush=True)
    return built


def chunked(of: Synthetic, layers: str) -> Execution:
    """An execution with these layers; without kernels, one episode at a time, as before there were kernels."""
    execution = of.with_layers(layers, MODE)
    return execution if layers in KERNELS else replace(execution, chunk=1)


def gradients(everybody: dict[str, Contender]) -> dict[str, float]:
    """The distance of each contender's first meta-gradient from the loop's, relative to the loop's norm."""
    found = {}
    for name, each in everybody.items():
        each.meta_step()
        found[name] = torch.cat([one.grad.flatten() for _, one in sorted(each.params.items())])
    loop = found["loop"]
    return {name: float((one - loop).norm() / loop.norm()) for name, one in found.items()}


def main(out: Path) -> None:
    """Writes `steps.json` after every round."""
    devices.make_repeatable(1)
    of = case()
    everybody = contenders(of)
    found: dict[str, Any] = {
        "environment": provenance.describe(),
        "device": torch.cuda.get_device_name(),
        "gradient_away_from_the_loop": gradients(everybody),
        "meta_step_seconds": {name: [] for name in everybody},
    }
    files.write_json(out / "steps.json", found)
    for _ in range(_ROUNDS):
        steps = {name: each.meta_step for name, each in everybody.items()}
        for name, seconds in measure.time_in_turns(steps, _REPEATS, of.device).items():
            found["meta_step_seconds"][name] += seconds
        files.write_json(out / "steps.json", found)
    for name, seconds in found["meta_step_seconds"].items():
        print(f"{name:32} {1e3 * statistics.median(seconds):9.2f} ms", flush=True)
    tests = {name: each.evaluation for name, each in everybody.items() if name.startswith("ours")}
    found["evaluation_seconds"] = measure.time_in_turns(tests, 2, of.device)
    files.write_json(out / "steps.json", found)
    del everybody, steps, tests
    for key, work in (("first_order_seconds", first_order), ("peak_bytes_by_meta_batch", peaks)):
        found[key] = work()
        print(key, found[key], flush=True)
        files.write_json(out / "steps.json", found)


def first_order() -> dict[str, list[float]]:
    """Seconds of first-order meta-steps."""
    of = case("fomaml")
    steps = {layers: Ours(of, chunked(of, layers)).meta_step for layers in LAYERS}
    return measure.time_in_turns(steps, 2 * _REPEATS, of.device)


def peaks() -> dict[int, int]:
    """The bytes that a meta-step with kernels adds at its peak, by meta-batch."""
    found = {}
    for meta_batch in (2, 64):
        of = case(meta_batch=meta_batch)
        ours = Ours(of, of.with_layers(next(iter(KERNELS)), "eager"))
        found[meta_batch] = measure.added_at_the_peak(ours.meta_step, of.device)
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
