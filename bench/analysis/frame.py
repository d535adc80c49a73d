"""Records as one tidy table; `bench.frame` describes the columns."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench import records
from bench.analysis.collapse import collapsed
from bench.analysis.pooling import usable
from bench.errors import UserError, program, unknown_name
from bench.protocols import presets
from bench.protocols.benchmarks import of_record
from bench.protocols.protocol import Protocol, evaluation_hash
from bench.records import Evaluated, Record
from bench.records.layout import REFERENCE


def tidy(results: Path, rows: str) -> pd.DataFrame:
    """The records under `results`, one row for each of `rows`. Raises UserError; see `bench.frame`."""
    if rows not in _ROWS:
        raise unknown_name("kind of rows", rows, _ROWS)
    found, problems = _read(results)
    if not found and not problems:
        own = results / REFERENCE
        named = f"; this project's own are in {own}" if own.is_dir() else ""
        raise UserError(
            f"no records in {results} or in a folder directly below it: `{program()} run` writes them{named}"
        )
    for problem in problems:
        warnings.warn(f"left out: {problem}", stacklevel=3)
    make, together = _ROWS[rows]
    made = [part for folder, record in found for part in make(folder, record)]
    table = together(made) if made else pd.DataFrame(columns=list(_KEYS))
    table.attrs["problems"] = problems
    return _compact(table)


def _read(results: Path) -> tuple[list[tuple[Path, Record]], list[str]]:
    """Every usable record with its folder, and a line for each other one. This project's own runs are read only if
    their folder itself is named."""
    below = sorted(path for path in results.iterdir() if path.is_dir()) if results.is_dir() else []
    below = [path for path in below if path.name != REFERENCE]
    found, problems = [], []
    for folder in (results, *below):
        readable, corrupt = records.read_all(folder)
        good, unusable = usable(readable)
        found += [(folder, record) for record in good]
        problems += [*corrupt, *unusable]
    return found, problems


_KEYS = ("results", "run", "benchmark", "method", "seed", "protocol")


def _keys(folder: Path, record: Record, protocol: str | None) -> dict[str, Any]:
    values = (str(folder), record.name, record.benchmark, record.method, record.seed, protocol)
    return dict(zip(_KEYS, values, strict=True))


def _run(folder: Path, record: Record) -> Iterator[dict[str, Any]]:
    info, seconds = record.info, record.info.get("seconds", {})
    environment = info["environment"]
    described = _protocol_text(record)
    yield {
        **_keys(folder, record, described),
        "status": record.status,
        "iteration": info["iteration"],
        "best_iteration": info["best_iteration"],
        "best_score": info.get("best_score"),
        "training_seconds": seconds.get("training"),
        "validation_seconds": seconds.get("validation"),
        "peak_memory_bytes": info.get("peak_memory_bytes"),
        "device": info["execution"].get("device"),
        "torch": environment.get("packages", {}).get("torch"),
        "commit": environment.get("commit"),
        "sources": environment.get("sources"),
        "data": info["data"]["name"],
        "data_digest": info["data"]["digest"],
        "command": info.get("command"),
        **{f"training.{name}": value for name, value in asdict(record.training).items()},
    }


def _protocol_text(record: Record, evaluated: Evaluated | None = None) -> str | None:
    """The protocol of a training, or of a training and an evaluation; None if the record holds only predictions."""
    if records.predicted(record.info):
        return None
    if evaluated is None:
        return presets.described_training(of_record(record.info), record.training)
    protocol = Protocol(record.training, evaluated.evaluation)
    return presets.describe(of_record(record.info), record.settings(evaluated), protocol)


def _evaluations(folder: Path, record: Record) -> Iterator[dict[str, Any]]:
    for evaluated in record.evaluations:
        yield {
            **_of_evaluation(folder, record, evaluated),
            "step": evaluated.inner_step,
            "score": evaluated.final.mean(),
            "score_sd": math.nan if evaluated.lost else evaluated.final.std(ddof=1),
            "collapsed": collapsed(evaluated.final, of_record(record.info).measure),
            "score_name": evaluated.info.get("score"),
            "episodes_digest": evaluated.info["episodes_digest"],
            "seconds": evaluated.info.get("seconds"),
            **{f"evaluation.{name}": value for name, value in asdict(evaluated.evaluation).items()},
        }


def _episodes(folder: Path, record: Record) -> Iterator[pd.DataFrame]:
    for evaluated in record.evaluations:
        scores = {"episode": np.arange(len(evaluated.final)), "score": evaluated.final}
        yield pd.DataFrame(scores).assign(**_of_evaluation(folder, record, evaluated))


def _steps(folder: Path, record: Record) -> Iterator[pd.DataFrame]:
    for evaluated in record.evaluations:
        episodes, steps = evaluated.scores.shape
        inner_step = np.tile(np.arange(steps) + evaluated.first_step, episodes)
        scores = {
            "episode": np.repeat(np.arange(episodes), steps),
            "inner_step": inner_step,
            "score": evaluated.scores.ravel(),
            "counts": inner_step == evaluated.inner_step,
        }
        yield pd.DataFrame(scores).assign(**_of_evaluation(folder, record, evaluated))


def _of_evaluation(folder: Path, record: Record, evaluated: Evaluated) -> dict[str, Any]:
    described = _protocol_text(record, evaluated)
    which = {"evaluation": evaluation_hash(evaluated.evaluation), "evaluated_iteration": evaluated.iteration}
    return _keys(folder, record, described) | which


def _compact(table: pd.DataFrame) -> pd.DataFrame:
    """The table with its keys first and as categories, because every episode's row repeats those of its run."""
    ordered = table[[*_KEYS, *(name for name in table if name not in _KEYS)]]
    names = [name for name in ("results", "run", "benchmark", "method", "protocol", "evaluation") if name in ordered]
    return ordered.reset_index(drop=True).astype(dict.fromkeys(names, "category"))


# rows -> (function from a record to parts of a table, function from the parts to the table)
_ROWS: dict[str, tuple[Callable[[Path, Record], Iterator[Any]], Callable[[list[Any]], pd.DataFrame]]] = {
    "run": (_run, pd.DataFrame),
    "evaluation": (_evaluations, pd.DataFrame),
    "episode": (_episodes, pd.concat),
    "step": (_steps, pd.concat),
}
