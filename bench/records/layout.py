"""Names and paths of the files that a run leaves on disk, and how to find a run by its name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.errors import UserError, nearest
from bench.protocols import protocol


def drop_checkpoints(folder: Path) -> None:
    """Deletes a run's checkpoints; call it once the record lists the final weights."""
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
REFERENCE = "reference"  # this project's own runs: reported apart from a user's, never pooled with them


@dataclass(frozen=True, kw_only=True)
class RunKey:
    """What identifies a run."""

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
        """The folder of the run's record."""
        return results / self.benchmark / self.method / self.hash / f"seed{self.seed}"


def run_name(folder: Path) -> str:
    """`<benchmark>/<method>/<hash>/seed<k>`: the name in commands of the run in this folder."""
    return "/".join(folder.parts[-4:])


def folders(results: Path, benchmark: str = "*", method: str = "*") -> Iterator[Path]:
    """Every folder under `results` that holds a record, optionally of one benchmark or method, sorted by name."""
    return (path.parent for path in sorted(results.glob(f"{benchmark}/{method}/*/seed*/{RECORD}")))


def find(results: Path, names: Iterable[str], one: bool = False) -> list[Path]:
    """The folders of the named runs, each once, in the order of `names`. A name is a folder, a whole name
    `<benchmark>/<method>/<hash>/seed<k>`, or the beginning of one, which selects every run that matches: those with
    these parts if there are any, so that `tiny/maml` is not `tiny/maml++`. Raises UserError if a name matches no run,
    or several runs although only `one` is wanted."""
    return list(dict.fromkeys(path for name in names for path in _matching(results, name, one)))


def _matching(results: Path, name: str, one: bool) -> list[Path]:
    if name and (Path(name) / RECORD).is_file():
        return [Path(name).resolve()]
    known = {run_name(path): path for path in folders(results)}
    exact = [known[name]] if name in known else []
    found = exact or _beginning(known, f"{name.rstrip('/')}/") or _beginning(known, name)
    if not found:
        raise _no_run(name, results, known)
    if one and len(found) > 1:
        more = f"be more specific, such as {run_name(found[0])}"
        raise UserError(f"{name!r} matches {len(found)} runs under {results}; {more}")
    return found


def _no_run(name: str, results: Path, known: Iterable[str]) -> UserError:
    """The error for a name that no run has, with the beginnings of names that there are."""
    if not (cells := sorted({_cell(run) for run in known})):
        what = f"run {name!r}" if name else "runs"
        return UserError(f"no {what}: {results} has no records: give the --results that `run` had")
    near = nearest(_cell(name), cells, 0.5)
    hint = f"did you mean {near}? " if near else ""
    return UserError(f"no run {name!r} under {results}: {hint}names there begin with {', '.join(cells)}")


def _cell(name: str) -> str:
    """`<benchmark>/<method>` of a run's name."""
    return "/".join(name.split("/")[:2])


def _beginning(known: Mapping[str, Path], text: str) -> list[Path]:
    return [path for run, path in known.items() if run.startswith(text)]


def evaluation_stem(evaluation: protocol.Evaluation, iteration: int) -> str:
    """The name, without suffix, of the two files of an evaluation."""
    return f"{protocol.evaluation_hash(evaluation)}@{iteration}"


def kept_file(folder: Path, iteration: int) -> Path:
    """The file for the weights of an iteration that is kept."""
    return folder / f"weights@{iteration}.safetensors"


def weights_of(folder: Path, info: dict[str, Any], evaluation: protocol.Evaluation, at: int | None) -> tuple[int, str]:
    """The iteration to evaluate and the file of its weights. Raises UserError if that iteration was not kept."""
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
    """Iteration -> file, for the weights that were kept during training."""
    found = (re.fullmatch(r"weights@([0-9]+)\.safetensors", name) for name in info["files"])
    return {int(match[1]): match[0] for match in found if match}
