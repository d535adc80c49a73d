"""What a user asks for: benchmarks, methods, seeds, settings, and where results go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import UserError
from bench.protocols.experiment_values import HIGHEST_SEED, MOST_SEEDS
from bench.protocols.experiments import Experiment

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Request:
    """A user's request; empty or None means the default."""

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
    """`--seeds N` means 0 .. N-1, `--seed K` adds one. Raises UserError if there are none, too many, or an invalid
    seed."""
    if count is not None and named:
        raise UserError("give either --seeds (how many) or --seed (which), not both")
    if count is not None and count < 1:
        raise UserError(f"--seeds {count}: give at least 1")
    if max(count or 0, len(named)) > MOST_SEEDS:
        raise UserError(f"--seeds {max(count or 0, len(named))}: one command takes at most {MOST_SEEDS} seeds")
    if wrong := [seed for seed in named if not 0 <= seed <= HIGHEST_SEED]:
        raise UserError(f"--seed {str(wrong[0])[:20]}: a seed is a number from 0 to {HIGHEST_SEED}")
    return list(range(count)) if count is not None else sorted(set(named)) or [0]
