"""Runs stages, each in its own process with a time limit, which writes its figures as it goes: correctness first, then
tiles, speed and a profile. A failed stage does not stop the next one, so that no GPU time is lost."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from bench import files

ROOT = Path(__file__).parent.parent.parent
STAGES, SKIPPED = "stages.json", "skipped: needs a CUDA GPU"


class Stage(NamedTuple):
    """A process that runs `python` with these arguments (`words`) for at most this many seconds. `device`: it is
    skipped without a GPU."""

    name: str
    seconds: float
    words: tuple[str, ...]
    device: bool = True


def stages(out: Path) -> list[Stage]:
    """All stages, in order: twelve minutes at most."""
    kernels = (
        "-m",
        "pytest",
        "-q",
        *("-p", "no:cacheprovider", "-p", "no:xdist"),
        "tests/networks/stacked/interpreted.py",
    )
    return [
        Stage("machine", 45, ("-m", "tests.device.machine", str(out)), device=False),
        Stage("float64", 120, (*kernels, "-k", "float64")),
        Stage("float32", 90, (*kernels, "-k", "not float64", "-m", "full or not full")),
        Stage("errors", 45, ("-m", "tests.device.errors", str(out))),
        Stage("sweep", 240, ("-m", "tests.device.sweep", str(out))),
        Stage("steps", 120, ("-m", "tests.device.steps", str(out))),
        Stage("profile", 60, ("-m", "tests.device.profiles", str(out))),
    ]


def run(stage: Stage, out: Path, on_device: bool) -> dict[str, Any]:
    """Runs a stage with its output in `<out>/<name>.log`. Returns how it ended and how long it took."""
    if stage.device and not on_device:
        return {"stage": stage.name, "ended": SKIPPED, "seconds": 0.0}
    changed = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    began = time.monotonic()
    with open(out / f"{stage.name}.log", "w") as log:
        command = [sys.executable, *stage.words]
        try:
            code = subprocess.run(command, cwd=ROOT, env=changed, stdout=log, stderr=log, timeout=stage.seconds)
            ended = "done" if code.returncode == 0 else f"failed: exit code {code.returncode}"
        except subprocess.TimeoutExpired:
            ended = f"stopped after its {stage.seconds:.0f} seconds"
    return {"stage": stage.name, "ended": ended, "seconds": round(time.monotonic() - began, 1)}


def run_all(chosen: Sequence[Stage], out: Path, on_device: bool) -> list[dict[str, Any]]:
    """Runs stages one after another, and writes `stages.json` after each."""
    out.mkdir(parents=True, exist_ok=True)
    done: list[dict[str, Any]] = []
    for stage in chosen:
        print(f"{stage.name} ({stage.seconds:.0f} s at most) ...", flush=True)
        done.append(run(stage, out, on_device))
        print(f"{stage.name}: {done[-1]['ended']}, {done[-1]['seconds']} s", flush=True)
        files.write_json(out / STAGES, {"stages": done})
    return done


def main() -> int:
    """Returns 0 if every stage is done or was skipped, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.device", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where figures and logs go")
    names = [stage.name for stage in stages(Path())]
    parser.add_argument("--stage", action="append", choices=names, help="only this one; may be given several times")
    options = parser.parse_args()
    out = options.out.resolve()
    chosen = [stage for stage in stages(out) if stage.name in (options.stage or names)]
    done = run_all(chosen, out, torch.cuda.is_available())
    return int(any(each["ended"] not in ("done", SKIPPED) for each in done))


if __name__ == "__main__":
    raise SystemExit(main())
