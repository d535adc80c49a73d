"""Measures seconds and bytes: interleaved, after synchronising the device, keeping every sample."""

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


def time_in_turns(
    calls: Mapping[str, Callable[[], object]], repeats: int, device: torch.device
) -> dict[str, list[float]]:
    """The seconds of each call, `repeats` times in turn, after one round that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(repeats + 1):
        for name, call in calls.items():
            took = _seconds(call, device)
            if turn:
                seconds[name].append(took)
    return seconds


def peak_bytes(request: Mapping[str, object]) -> int | None:
    """The memory that one meta-step adds at its peak, measured in a separate process: on a CPU (Linux) what the process
    holds, on CUDA what the allocator handed out; None if neither can be read."""
    if not sys.platform.startswith("linux") and not str(request["device"]).startswith("cuda"):
        return None
    # Map large blocks individually: by default glibc keeps freed memory, and its fragmentation would be measured.
    changed = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"}
    command = [sys.executable, "-m", "bench.tools.speed.peak", json.dumps(request)]
    done = subprocess.run(command, env=changed, capture_output=True, text=True)
    if done.returncode:
        raise UserError(
            f"measuring the memory of {request['contender']} failed: {done.stderr.strip().splitlines()[-1]}"
        )
    return int(done.stdout.split()[-1])


def added_at_the_peak(call: Callable[[], object], device: torch.device) -> int:
    """The maximum number of bytes that this process holds during the call, beyond what it held before."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        devices.forget_peak_memory(device)
        call()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
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
