"""Prints the peak memory that one meta-step adds, in a fresh process: `python -m bench.tools.speed.peak REQUEST`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch

from bench import devices
from bench.data import store
from bench.tools.speed import contenders
from bench.tools.speed.case import Case
from bench.tools.speed.contenders import Contender, Ours
from bench.tools.speed.measure import added_at_the_peak


def main(request: dict[str, Any]) -> int:
    """The bytes. `request` names contender, benchmark, method, device, threads, data_dir, mode, meta_batch,
    inner_steps."""
    devices.make_repeatable(request["threads"])
    data_dir = request["data_dir"] and Path(request["data_dir"])
    case = Case(
        store.benchmark(request["benchmark"], data_dir),
        request["method"],
        torch.device(request["device"]),
        data_dir,
        request["meta_batch"],
        request["inner_steps"],
    )
    contender = _build(case, request["contender"], request["mode"])
    if case.device.type == "cpu":
        assert len(case.training_batch.support)  # loaded before, for every contender
    contender.meta_step()  # creates what persists: moments, buffers, code
    return added_at_the_peak(contender.meta_step, case.device)


def _build(case: Case, name: str, mode: str) -> Contender:
    if name == "ours":
        return Ours(case, case.execution(mode))
    return contenders.installed_loops(case.method)[name](case)


if __name__ == "__main__":
    print(main(json.loads(sys.argv[1])))
