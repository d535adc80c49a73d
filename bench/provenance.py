"""Which code, packages and processor made a record: commit, versions, machine."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path
from typing import Any

import torch

_PACKAGES = ("torch", "torchvision", "numpy", "pandas", "scipy", "safetensors", "pillow")


def describe() -> dict[str, Any]:
    """Versions, processor and commit, for the record."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "cuda": torch.version.cuda,
        "packages": {name: version_of(name) for name in _PACKAGES},
        **commit(),
    }


def lock() -> list[str]:
    """`name==version` of every installed package, by name."""
    found = {d.metadata["Name"].lower().replace("_", "-"): d.version for d in distributions() if d.metadata["Name"]}
    return [f"{name}=={number}" for name, number in sorted(found.items())]


def version_of(package: str) -> str | None:
    """Of an installed package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def commit() -> dict[str, Any]:
    """Of the project, and whether it was changed since: None where that cannot be told."""
    here = Path(__file__).parent
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True
        ).stdout
        # What lies in results/ is no code, and changes while runs go on that are committed with their checkpoints.
        status = ["git", "status", "--porcelain", "--untracked-files=no", "--", ":/", ":(top,exclude)results"]
        dirty = subprocess.run(status, cwd=here, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None}
    return {"commit": commit.strip(), "dirty": bool(dirty.strip())}
