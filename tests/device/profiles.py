"""The time of a meta-step by kernel: with our kernels, and with the layers that were used before."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from torch.profiler import ProfilerActivity, profile

from bench import devices, files
from bench.networks.layers import KERNELS
from bench.tools.speed.contenders import Ours
from tests.device.steps import chunked
from tests.device.synthetic import case

_STEPS = 10


def rows(ours: Ours) -> list[dict[str, Any]]:
    """Launches and microseconds per meta-step for each kernel, the slowest first."""
    with profile(activities=[ProfilerActivity.CUDA]) as found:
        for _ in range(_STEPS):
            ours.meta_step()
    table = [
        {
            "kernel": each.key,
            "launches": each.count / _STEPS,
            "microseconds": round(each.self_device_time_total / _STEPS, 2),
        }
        for each in found.key_averages()
    ]
    return sorted(table, key=lambda row: -row["microseconds"])


def main(out: Path) -> None:
    """Writes `profile.json` after each kind of layers."""
    devices.make_repeatable(1)
    of, found = case(), {}
    for layers in (*KERNELS, "masked"):
        found[layers] = rows(Ours(of, chunked(of, layers)))
        files.write_json(out / "profile.json", found)
        for row in found[layers][:15]:
            print(
                f"{layers:16} {row['microseconds']:9.1f} us {row['launches']:6.1f} x {row['kernel'][:80]}", flush=True
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
