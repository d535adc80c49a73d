"""What runs leave on disk: one folder per run, written atomically, self-describing, readable without torch.

<results>/<benchmark>/<method>/<training hash>/seed<k>/
    record.json                 what was run, how, on what, with which outcome
    curve.parquet               one row per point of the learning curve
    weights.safetensors         after the last iteration; best.safetensors: best on validation
    optimiser.safetensors       its state after the last iteration, from which a longer training continues
    checkpoint.safetensors      only while the run is unfinished
    pictures.json               what `show episodes` drew last, for the report; not part of the record
    evaluations/<hash>@<iteration>.json, .parquet      scores, one row per test episode, one column per inner step
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from bench import files
from bench.errors import UserError
from bench.files import Unreadable, read_columns, sha256, write_atomically
from bench.protocols import protocol, settings
from bench.records.contents import Evaluated, Record
from bench.records.fields import (
    FORMAT,
    OF_EVALUATION,
    OF_RECORD,
    OPTIONAL,
    OPTIONAL_OF_EVALUATION,
    Corrupt,
    check_seal,
    checked_json,
)
from bench.records.layout import CURVE, RECORD, evaluation_stem, folders

STATUSES = ("unfinished", "finished", "diverged")
_CURVE_COLUMNS = ("iteration", "train_loss", "valid_score", "seconds")


def read(folder: Path) -> Record:
    """The record in that folder. Raises Corrupt if a file is missing, damaged, or of a newer format."""
    info, training = _read_info(folder)
    points = _points(checked_path(folder, CURVE, info["files"])) if CURVE in info["files"] else {}
    evaluations = tuple(read_evaluation(path) for path in sorted((folder / "evaluations").glob("*.json")))
    return Record(
        folder, info["benchmark"], info["method"], info["seed"], training, info["status"], info, points, evaluations
    )


def counted(folder: Path) -> bool:
    """Whether the number of training iterations is known; for weights from elsewhere it may not be. Raises Corrupt."""
    origin = read_info(folder).get("origin")
    return not (isinstance(origin, dict) and origin.get("iterations", 0) is None)


def read_info(folder: Path) -> dict[str, Any]:
    """`record.json` alone, after checking the required fields and that the settings match the folder's name. Raises
    Corrupt."""
    return _read_info(folder)[0]


def _read_info(folder: Path) -> tuple[dict[str, Any], protocol.Training]:
    path = folder / RECORD
    info = checked_json(path, OF_RECORD, OPTIONAL)
    if info["status"] not in STATUSES:
        raise Corrupt(f"{path}: status is not one of {', '.join(STATUSES)}")
    for name, total in info["files"].items():  # these files are read from, and copied out of, the record's folder
        if Path(name).name != name or type(total) is not str:
            raise Corrupt(f"{path}: it lists {name[:100]!r}, which is not a file of a record")
    training = _part(path, protocol.Training, info["training"])
    key = protocol.training_hash(training, info["data"]["digest"])
    if info["training_hash"] != key or folder.resolve().parts[-2:] != (key, f"seed{info['seed']}"):
        raise Corrupt(f"{path}: its settings do not match its folder: it was edited or moved")
    check_seal(path, info)
    return info, training


def read_info_if_any(folder: Path) -> dict[str, Any]:
    """`record.json` of a run; empty if the run has not started. Raises Corrupt."""
    return read_info(folder) if (folder / RECORD).exists() else {}


def read_all(results: Path) -> tuple[list[Record], list[str]]:
    """All records under `results` that can be read, and one line for each that cannot."""
    records, problems = [], []
    for folder in folders(results):
        try:
            records.append(read(folder))
        except Corrupt as error:
            problems.append(str(error))
    return records, problems


def write_evaluation(
    folder: Path, evaluation: protocol.Evaluation, iteration: int, step: int, scores: np.ndarray, info: dict[str, Any]
) -> None:
    """Adds an evaluation to a record: the scores first, then their description. `scores` is [episodes, steps + 1]."""
    import pandas as pd

    stem = evaluation_stem(evaluation, iteration)
    frame = pd.DataFrame(scores, columns=[str(k) for k in range(scores.shape[1])])
    frame.index.name = "episode"
    target = folder / "evaluations" / f"{stem}.parquet"
    write_atomically(target, lambda path: frame.to_parquet(path))
    fields = {name: list(v) if isinstance(v, tuple) else v for name, v in vars(evaluation).items()}
    described = {
        **info,  # first: that of an evaluation that is written again has its old checksum
        "format": FORMAT,
        "evaluation": fields,
        "iteration": iteration,
        "step": step,
        "sha256": sha256(target),
    }
    files.write_sealed(target.with_suffix(".json"), described)


def checked_path(folder: Path, name: str, sums: dict[str, str]) -> Path:
    """The path of a record's file, if its SHA-256 is the recorded one. Raises Corrupt."""
    try:
        if sha256(folder / name) == sums[name]:
            return folder / name
    except (OSError, KeyError) as error:
        raise Corrupt(f"{folder / name}: {getattr(error, 'strerror', None) or 'not in the record'}") from error
    raise Corrupt(f"{folder / name}: damaged (its SHA-256 differs from the recorded one)")


def _points(path: Path) -> dict[str, np.ndarray]:
    found = _columns(path)
    if missing := [name for name in _CURVE_COLUMNS if name not in found]:
        raise Corrupt(f"{path}: no column {', '.join(missing)}")
    return found


def _columns(path: Path) -> dict[str, np.ndarray]:
    try:
        return read_columns(path)
    except Unreadable as error:
        raise Corrupt(f"{path}: {error}") from error


def _part(path: Path, kind: type, values: dict[str, Any]) -> Any:
    """A part of a protocol, from the fields that a record stores; a field newer than the record has its default. Raises
    Corrupt."""
    try:
        return _from_fields(kind, json.dumps(values))
    except UserError as error:
        raise Corrupt(f"{path}: {error}") from error


@lru_cache(1024)  # a thousand records have few protocols, whose every setting is checked
def _from_fields(kind: type, values: str) -> Any:
    return settings.from_fields(kind, json.loads(values))


def read_evaluation(path: Path) -> Evaluated:
    """The evaluation that this JSON file describes. Raises Corrupt."""
    info = checked_json(path, OF_EVALUATION, OPTIONAL_OF_EVALUATION)
    table = path.with_suffix(".parquet")
    checked_path(path.parent, table.name, {table.name: info["sha256"]})
    evaluation = _part(path, protocol.Evaluation, info["evaluation"])
    columns = _columns(table)
    scores = np.column_stack([*columns.values()] or [np.empty(0)]).astype(np.float64)
    if evaluation_stem(evaluation, info["iteration"]) != path.stem:
        raise Corrupt(f"{path}: its settings do not match its name: it was edited or moved")
    if scores.shape[0] != evaluation.episodes or not 0 <= info["step"] < scores.shape[1]:
        raise Corrupt(f"{table}: {scores.shape[0]} episodes x {scores.shape[1]} steps, unlike what {path.name} says")
    check_seal(path, info)
    return Evaluated(evaluation, info["iteration"], info["step"], scores, info)
