"""Names and places of the files that a run leaves on disk, and how a run is found by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bench.errors import UserError
from bench.protocols import protocol


def drop_checkpoints(folder: Path) -> None:
    """Once the record vouches for the weights."""
    for name in CHECKPOINTS:
        (folder / name).unlink(missing_ok=True)


RECORD, CURVE, WEIGHTS, BEST, CHECKPOINT, NEXT_CHECKPOINT = (
    "record.json",
    "curve.parquet",
    "weights.safetensors",
    "best.safetensors",
    "checkpoint.safetensors",
    "checkpoint.next.safetensors",
)
CHECKPOINTS = (CHECKPOINT, NEXT_CHECKPOINT)
PICTURES = "pictures.json"


@dataclass(frozen=True, kw_only=True)
class RunKey:
    """What tells a run from all others."""

    benchmark: str
    method: str
    seed: int
    training: protocol.Training
    data_digest: str

    @cached_property
    def hash(self) -> str:
        """The training hash."""
        return protocol.training_hash(self.training, self.data_digest)

    def folder(self, results: Path) -> Path:
        """Where the run's record lies."""
        return results / self.benchmark / self.method / self.hash / f"seed{self.seed}"


def run_name(folder: Path) -> str:
    """`<benchmark>/<method>/<hash>/seed<k>`, by which commands call the run in that folder."""
    return "/".join(folder.parts[-4:])


def folders(results: Path) -> Iterator[Path]:
    """Every folder under `results` that holds a record, in order of name."""
    return (path.parent for path in sorted(results.glob(f"*/*/*/seed*/{RECORD}")))


def matching(results: Path, run: str) -> list[Path]:
    """The runs that `run` names: one by its folder or its whole name `<benchmark>/<method>/<hash>/seed<k>`, or all
    whose names begin so. Raises UserError where there is none."""
    if (Path(run) / RECORD).is_file():
        return [Path(run).resolve()]
    named = {run_name(path): path for path in folders(results)}
    found = [named[run]] if run in named else [path for name, path in named.items() if name.startswith(run)]
    if not found:
        raise UserError(f"no run {run!r} under {results}: `python -m bench report` names those there are")
    return found


def named(results: Path, runs: Iterable[str]) -> list[Path]:
    """All that `matching` finds, each once, in the order in which they are named."""
    return list(dict.fromkeys(path for run in runs for path in matching(results, run)))


def find(results: Path, run: str) -> Path:
    """The one run that `run` names. Raises UserError where there is none, or several."""
    first, *others = matching(results, run)
    if others:
        count = 1 + len(others)
        raise UserError(
            f"{run!r} names {count} runs under {results}; write more of the name, such as {run_name(first)}"
        )
    return first


def evaluation_stem(evaluation: protocol.Evaluation, iteration: int) -> str:
    """The name, without suffix, of an evaluation's two files."""
    return f"{protocol.evaluation_hash(evaluation)}@{iteration}"


def kept(folder: Path, iteration: int) -> Path:
    """Where the weights of a named iteration are kept."""
    return folder / f"weights@{iteration}.safetensors"
