"""The project's version, and which code, packages and processor made a record."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

__version__ = "0.2.0"

PROJECT = "few-shot-bench"  # the name of the package
_PACKAGES = ("torch", "torchvision", "numpy", "pandas", "scipy", "safetensors", "pillow")


def describe() -> dict[str, Any]:
    """Versions, processor, and the identity of the code, for the record."""
    import torch  # takes seconds, and `--version` needs none of it

    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "cuda": torch.version.cuda,
        "packages": {PROJECT: __version__, **{name: version_of(name) for name in _PACKAGES}},
        **code(),
    }


def lock() -> list[str]:
    """`name==version` of every installed package and of the project itself, sorted by name."""
    from importlib.metadata import distributions

    found = {d.metadata["Name"].lower().replace("_", "-"): d.version for d in distributions() if d.metadata["Name"]}
    found[PROJECT] = __version__
    return [f"{name}=={number}" for name, number in sorted(found.items())]


def version_of(package: str) -> str | None:
    """The version of an installed package, or None."""
    from importlib.metadata import PackageNotFoundError, version

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


def code() -> dict[str, Any]:
    """What identifies this code: a digest of its sources, and the commit if there is one."""
    return {"sources": sources(), **commit()}


@cache
def sources() -> str:
    """SHA-256 over the project's Python files, each with its path; the same in a checkout and in an installation."""
    root, total = _root(), hashlib.sha256()
    for path in sorted(path for package in ("bench", "methods") for path in (root / package).rglob("*.py")):
        for part in (path.relative_to(root).as_posix().encode(), path.read_bytes()):
            total.update(len(part).to_bytes(8, "big") + part)
    return total.hexdigest()


def commit() -> dict[str, Any]:
    """The commit of the project's own repository, and whether files were changed since; None if there is no such
    repository. An installation may be inside another project's."""
    here = Path(__file__)
    own = _git("ls-files", "--full-name", "--error-unmatch", "--", here.name)
    if own is None or own.strip() != here.relative_to(_root()).as_posix():
        return {"commit": None, "dirty": None}
    head = _git("rev-parse", "HEAD")
    # results/ contains no code, and changes while runs continue that were committed with their checkpoints.
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ":/", ":(top,exclude)results")
    return {"commit": head and head.strip(), "dirty": None if changed is None else bool(changed.strip())}


def _root() -> Path:
    """The folder that contains the packages."""
    return Path(__file__).parents[1]


def _git(*words: str) -> str | None:
    """The output of git in this folder, or None if it fails."""
    try:
        done = subprocess.run(["git", *words], cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout
