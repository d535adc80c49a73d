"""Names and places of the files that a run leaves on disk, and how a run is found by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.errors import UserError
from bench.protocols import protocol


def drop_checkpoints(folder: Path) -> None:
    """Once the record vouches for the weights."""
    for name in CHECKPOINTS:
        (folder / name).unlink(missing_ok=True)


RECORD, CURVE, WEIGHTS, BEST, OPTIMISER, CHECKPOINT, NEXT_CHECKPOINT = (
    "record.json",
    "curve.parquet",
    "weights.safetensors",
    "best.safetensors",
    "optimiser.safetensors",
    "checkpoint.safetensors",
    "checkpoint.next.safetensors",
)
CHECKPOINTS = (CHECKPOINT, NEXT_CHECKPOINT)
PICTURES = "pictures.json"
REFERENCE = "reference"  # this project's own runs: beside a user's results, shown apart, never pooled with them


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


def folders(results: Path, benchmark: str = "*", method: str = "*") -> Iterator[Path]:
    """Every folder under `results` that holds a record, of one benchmark or method where asked, in order of name."""
    return (path.parent for path in sorted(results.glob(f"{benchmark}/{method}/*/seed*/{RECORD}")))


def find(results: Path, names: Iterable[str], one: bool = False) -> list[Path]:
    """The runs that are named, each once, in that order: one by its folder or its whole name
    `<benchmark>/<method>/<hash>/seed<k>`, or all whose names begin so. Raises UserError where there is none, or where
    only `one` is wanted and a name is that of several."""
    return list(dict.fromkeys(path for name in names for path in _matching(results, name, one)))


def _matching(results: Path, name: str, one: bool) -> list[Path]:
    if (Path(name) / RECORD).is_file():
        return [Path(name).resolve()]
    known = {run_name(path): path for path in folders(results)}
    found = [known[name]] if name in known else [path for run, path in known.items() if run.startswith(name)]
    if not found:
        raise UserError(f"no run {name!r} under {results}: `python -m bench report` lists the runs")
    if one and len(found) > 1:
        more = f"be more specific, such as {run_name(found[0])}"
        raise UserError(f"{name!r} matches {len(found)} runs under {results}; {more}")
    return found


def evaluation_stem(evaluation: protocol.Evaluation, iteration: int) -> str:
    """The name, without suffix, of an evaluation's two files."""
    return f"{protocol.evaluation_hash(evaluation)}@{iteration}"


def kept(folder: Path, iteration: int) -> Path:
    """Where the weights of a named iteration are kept."""
    return folder / f"weights@{iteration}.safetensors"


def weights_of(folder: Path, info: dict[str, Any], evaluation: protocol.Evaluation, at: int | None) -> tuple[int, str]:
    """The iteration to evaluate and the file of its weights. Raises UserError where that iteration was not kept."""
    last, best = info["iteration"], info["best_iteration"]
    if evaluation.weights == "best" and at in (None, best):
        return best, BEST
    if at is None:
        return last, WEIGHTS
    if evaluation.weights == "best":
        raise UserError("--at and weights=best name different iterations: give one of them")
    known = kept_weights(info) | {best: BEST} | {last: WEIGHTS}
    if at not in known:
        have = ", ".join(str(k) for k in sorted(known))
        raise UserError(
            f"{folder}: the weights of iteration {at} were not kept, only those of {have} (`run --force --keep {at}`)"
        )
    return at, known[at]


def kept_weights(info: dict[str, Any]) -> dict[int, str]:
    """Iteration -> file, of the weights that were kept on the way."""
    found = (re.fullmatch(r"weights@([0-9]+)\.safetensors", name) for name in info["files"])
    return {int(match[1]): match[0] for match in found if match}
