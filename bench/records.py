"""What runs leave on disk: one folder a run, written atomically, self-describing, readable without torch.

    <results>/<benchmark>/<method>/<training hash>/seed<k>/
        record.json                 what was run, how, on what, with which outcome
        curve.parquet               a row per point of the learning curve
        weights.safetensors         after the last iteration; best.safetensors: best on validation
        checkpoint.safetensors      only while the run is unfinished
        evaluations/<hash>@<iteration>.json, .parquet      scores, a row per test episode, a column per inner step
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench import protocol
from bench.errors import UserError

FORMAT = 1
RECORD, CURVE, WEIGHTS, BEST, CHECKPOINT = (
    "record.json",
    "curve.parquet",
    "weights.safetensors",
    "best.safetensors",
    "checkpoint.safetensors",
)


class Corrupt(Exception):
    """A record that cannot be trusted; the message is one line and names the file."""


@dataclass(frozen=True)
class Evaluated:
    """One evaluation of a run. `scores` is [episodes, inner steps + 1] in [0, 1]; `step` is the column that counts."""

    evaluation: protocol.Evaluation
    iteration: int
    step: int
    scores: np.ndarray
    info: dict[str, Any]

    @property
    def final(self) -> np.ndarray:
        """[episodes]: the score of every test episode at the step that counts."""
        return self.scores[:, self.step]


@dataclass(frozen=True)
class Record:
    """One run, as read from disk. `info` is `record.json`."""

    path: Path
    benchmark: str
    method: str
    seed: int
    training: protocol.Training
    status: str
    info: dict[str, Any]
    curve: pd.DataFrame
    evaluations: tuple[Evaluated, ...]

    @property
    def name(self) -> str:
        """`<benchmark>/<method>/<hash>/seed<k>`, by which commands call the run."""
        return "/".join(self.path.parts[-4:])

    def evaluation(self, wanted: protocol.Evaluation) -> Evaluated | None:
        """The evaluation of exactly these settings at the last iteration there is one for, or None."""
        found = [e for e in self.evaluations if e.evaluation == wanted]
        return max(found, key=lambda e: e.iteration) if found else None


def run_folder(results: Path, benchmark: str, method: str, training_hash: str, seed: int) -> Path:
    """Where the run of these keys lies."""
    return results / benchmark / method / training_hash / f"seed{seed}"


def folders(results: Path) -> Iterator[Path]:
    """Every folder under `results` that holds a record, in order of name."""
    return (path.parent for path in sorted(results.glob(f"*/*/*/seed*/{RECORD}")))


def find(results: Path, run: str) -> Path:
    """The one run that `run` names: a folder, or a unique prefix of `<benchmark>/<method>/<hash>/seed<k>`."""
    if (Path(run) / RECORD).is_file():
        return Path(run)
    matches = [path for path in folders(results) if "/".join(path.parts[-4:]).startswith(run)]
    if len(matches) == 1:
        return matches[0]
    if not matches:
        raise UserError(f"no run {run!r} under {results}: `python -m bench report` names those there are")
    raise UserError(f"{run!r} names {len(matches)} runs under {results}; write more of the name, such as {'/'.join(matches[0].parts[-4:])}")


def read(folder: Path) -> Record:
    """The record in that folder. Raises Corrupt where a file is missing, damaged, or of a newer format."""
    info = _checked_json(folder / RECORD)
    try:
        training = protocol.from_fields(protocol.Training, info["training"])
        curve = pd.read_parquet(_checked_file(folder, CURVE, info["files"])) if CURVE in info["files"] else pd.DataFrame()
        evaluations = tuple(_read_evaluation(path) for path in sorted((folder / "evaluations").glob("*.json")))
        return Record(folder, info["benchmark"], info["method"], info["seed"], training, info["status"], info, curve, evaluations)
    except (KeyError, TypeError, ValueError, OSError, UserError) as error:
        raise Corrupt(f"{folder / RECORD}: {type(error).__name__}: {error}".splitlines()[0]) from error


def read_or_explain(folder: Path) -> Record:
    """The same for a run that a user named: a damaged record is a UserError."""
    try:
        return read(folder)
    except Corrupt as error:
        raise UserError(f"{error}; `run --force` makes it again") from error


def read_all(results: Path) -> tuple[list[Record], list[str]]:
    """All records under `results` that can be read, and a line for each that cannot."""
    records, problems = [], []
    for folder in folders(results):
        try:
            records.append(read(folder))
        except Corrupt as error:
            problems.append(str(error))
    return records, problems


def write_evaluation(folder: Path, evaluation: protocol.Evaluation, iteration: int, step: int, scores: np.ndarray, info: dict[str, Any]) -> None:
    """Adds an evaluation to a record: first the scores, then what describes them. `scores` is [episodes, steps + 1]."""
    stem = evaluation_stem(evaluation, iteration)
    frame = pd.DataFrame(scores, columns=[str(k) for k in range(scores.shape[1])])
    frame.index.name = "episode"
    target = folder / "evaluations" / f"{stem}.parquet"
    write_atomically(target, lambda path: frame.to_parquet(path))
    fields = {name: list(v) if isinstance(v, tuple) else v for name, v in vars(evaluation).items()}
    described = {"format": FORMAT, "evaluation": fields, "iteration": iteration, "step": step, "sha256": sha256(target), **info}
    write_json(target.with_suffix(".json"), described)


def evaluation_stem(evaluation: protocol.Evaluation, iteration: int) -> str:
    """The name, without suffix, of an evaluation's two files."""
    return f"{protocol.evaluation_hash(evaluation)}@{iteration}"


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Writes JSON atomically."""
    text = json.dumps(value, indent=1, sort_keys=True, allow_nan=False)
    write_atomically(path, lambda temporary: temporary.write_text(text + "\n"))


def write_atomically(path: Path, write: Callable[[Path], Any]) -> None:
    """Lets `write` fill a temporary file beside `path`, flushes it to disk and puts it in place at once.

    Raises UserError where the folder cannot be written or the disk is full."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _temporary(path) as temporary:
            write(temporary)
            with open(temporary, "rb") as written:
                os.fsync(written.fileno())
            os.replace(temporary, path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error


@contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    # Not `tempfile`: its files are for their owner alone, and the finished file keeps that.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.touch()
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checked_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise Corrupt(f"{path}: {error}".splitlines()[0]) from error
    if not isinstance(value, dict) or not isinstance(value.get("format"), int):
        raise Corrupt(f"{path}: not a record")
    if value["format"] > FORMAT:
        raise Corrupt(f"{path}: written by a newer version (format {value['format']}, this reads up to {FORMAT})")
    return value


def _checked_file(folder: Path, name: str, sums: dict[str, str]) -> Path:
    if sha256(folder / name) != sums[name]:
        raise Corrupt(f"{folder / name}: damaged (its SHA-256 is not the recorded one)")
    return folder / name


def _read_evaluation(path: Path) -> Evaluated:
    info = _checked_json(path)
    table = path.with_suffix(".parquet")
    _checked_file(path.parent, table.name, {table.name: info["sha256"]})
    scores = pd.read_parquet(table).to_numpy(dtype=np.float64)
    evaluation = protocol.from_fields(protocol.Evaluation, info["evaluation"])
    if scores.shape[0] != evaluation.episodes or not 0 <= info["step"] < scores.shape[1]:
        raise Corrupt(f"{table}: {scores.shape[0]} episodes x {scores.shape[1]} steps are not what {path.name} says")
    return Evaluated(evaluation, info["iteration"], info["step"], scores, info)
