"""What a user asks for: benchmarks, methods, seeds, settings, and where results go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from bench.errors import UserError
from bench.protocols.experiments import Experiment


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a user asked for; empty or None: the default."""

    methods: Sequence[str]
    benchmarks: Sequence[str]
    seeds: Sequence[int]
    protocol: str | None
    settings: Sequence[str]
    device: torch.device
    results: Path
    data_dir: Path | None
    chunk: int | None
    mode: str | None
    command: str
    experiment: Experiment | None = None


def seeds(count: int | None, named: Sequence[int]) -> list[int]:
    """`--seeds N` means 0 .. N-1, `--seed K` names one. Raises UserError on none at all, or a negative one."""
    if count is not None and named:
        raise UserError("--seeds and --seed: give a number of seeds, or name them, not both")
    if count is not None and count < 1:
        raise UserError(f"--seeds {count}: at least one seed is needed")
    if any(seed < 0 for seed in named):
        raise UserError(f"--seed {min(named)}: seeds are 0 or more")
    return list(range(count)) if count is not None else sorted(set(named)) or [0]
