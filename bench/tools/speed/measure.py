"""Seconds and bytes: interleaved, after the device is synchronised, with every sample kept."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from bench import devices
from bench.errors import UserError


def interleaved(
    calls: Mapping[str, Callable[[], object]], repeats: int, device: torch.device
) -> dict[str, list[float]]:
    """Seconds of each call, `repeats` times in turn, after one turn that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(repeats + 1):
        for name, call in calls.items():
            took = _seconds(call, device)
            if turn:
                seconds[name].append(took)
    return seconds


def peak_bytes(request: Mapping[str, object]) -> int | None:
    """The memory that one meta-step adds at its peak, measured in a process of its own: what the process holds, on
    a CPU (Linux), or what the allocator gave out, on CUDA; None where neither can be read."""
    if not sys.platform.startswith("linux") and not str(request["device"]).startswith("cuda"):
        return None
    # Large blocks are mapped one by one: left to itself, glibc keeps what was freed and shows its own fragments.
    changed = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"}
    command = [sys.executable, "-m", "bench.tools.speed.peak", json.dumps(request)]
    done = subprocess.run(command, env=changed, capture_output=True, text=True)
    if done.returncode:
        raise UserError(
            f"measuring the memory of {request['contender']} failed: {done.stderr.strip().splitlines()[-1]}"
        )
    return int(done.stdout.split()[-1])


def added_at_the_peak(call: Callable[[], object], device: torch.device) -> int:
    """Bytes that this process holds at most during the call, beyond what it held before."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        devices.forget_peak_memory(device)
        call()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = _high_water_bytes()
    call()
    return _high_water_bytes() - before


def _high_water_bytes() -> int:
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return 1024 * int(found[1])


def _seconds(call: Callable[[], object], device: torch.device) -> float:
    _wait(device)
    began = time.perf_counter()
    call()
    _wait(device)
    return time.perf_counter() - began


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
