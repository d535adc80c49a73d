"""Reads the predictions of other code, compares them with the labels of their episodes, and stores the scores as a
record.

Predictions are a Parquet file with four columns: `stream` (from the manifest, the same in every row), `episode`,
`query` (the `place` of the query image) and `prediction` (a label). The labels are drawn here again, never read from a
file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet

from bench import files, records
from bench.data.readers import archives
from bench.episodes.images import ImageEpisodes
from bench.errors import UserError
from bench.protocols import presets, published_weights
from bench.protocols.protocol import Evaluation, Protocol
from bench.runs import recording
from bench.runs.job import Job
from bench.tools.exchange import stream as named_stream
from bench.training.workload import NamedMethod, Workload
from methods import METHODS

COLUMNS = ("stream", "episode", "query", "prediction")
_MOST_ROWS = 10_000_000
_STEP, _ITERATION = 0, 0  # predictions have neither


@dataclass(frozen=True)
class PredictedMethod(NamedMethod):
    """A method of which only predictions by other code are known."""

    settings = ()


@dataclass(frozen=True, eq=False)
class Predictions:
    """One file: the name of its stream, and its numbers [rows, (episode, query, prediction)], sorted."""

    path: Path
    stream: str
    rows: np.ndarray


def read(path: Path) -> Predictions:
    """The predictions in a file. Raises UserError if it is malformed."""
    try:
        with pyarrow.parquet.ParquetFile(pyarrow.BufferReader(archives.read_file(path))) as file:
            _check_columns(path, file)
            table = file.read(list(COLUMNS))
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise UserError(f"{path}: not a readable Parquet file: {error}".splitlines()[0]) from error
    streams = table.column("stream").unique().to_pylist()
    if len(streams) != 1 or not isinstance(streams[0], str):
        what = f"{len(streams)} values" if len(streams) != 1 else f"{streams[0]!r:.80}, which is not text,"
        raise UserError(f"{path}: {what} in column stream: every row needs the `stream` text of the manifest")
    columns = [table.column(name) for name in COLUMNS[1:]]
    if any(column.null_count for column in columns):
        raise UserError(f"{path}: a value is missing in {', '.join(COLUMNS[1:])}")
    try:
        rows = np.stack([column.cast(pyarrow.int64()).to_numpy() for column in columns], 1)
    except pyarrow.ArrowInvalid as error:
        raise UserError(f"{path}: {error}".splitlines()[0]) from error
    return Predictions(path, streams[0], rows[np.lexsort((rows[:, 1], rows[:, 0]))])


def _check_columns(path: Path, file: pyarrow.parquet.ParquetFile) -> None:
    schema = file.schema_arrow
    if twice := [name for name in COLUMNS if schema.names.count(name) > 1]:
        raise UserError(f"{path}: column {', '.join(twice)} appears twice: keep one")
    if lacking := [name for name in COLUMNS if name not in schema.names]:
        raise UserError(f"{path}: no column {', '.join(lacking)}: the columns are {', '.join(COLUMNS)}")
    if wrong := [name for name in COLUMNS[1:] if not pyarrow.types.is_integer(schema.field(name).type)]:
        raise UserError(f"{path}: {', '.join(wrong)}: give whole numbers")
    if not 0 < file.metadata.num_rows <= _MOST_ROWS:
        raise UserError(f"{path}: {file.metadata.num_rows} rows: give 1 to {_MOST_ROWS}")


def scores(stream: ImageEpisodes, episodes: int, found: Predictions) -> np.ndarray:
    """[episodes, 1]: the share of correct predictions. Raises UserError unless every query has exactly one."""
    labels, ways = stream.query_labels(0, episodes), stream.shape.ways
    episode, query, prediction = found.rows.T
    limits = {"episode": (episode, episodes), "query": (query, labels.shape[1]), "prediction": (prediction, ways)}
    for name, (values, end) in limits.items():
        if outside := values[(values < 0) | (values >= end)].tolist():
            raise UserError(f"{found.path}: {name} {outside[0]} is not from 0 to {end - 1}")
    counts = np.zeros(labels.shape, np.int64)
    np.add.at(counts, (episode, query), 1)
    for what, wrong in (("is predicted twice", counts > 1), ("has no prediction", counts == 0)):
        if wrong.any():
            first = np.argwhere(wrong)[0].tolist()
            more = f", and so for {wrong.sum() - 1} more" * bool(wrong.sum() > 1)
            raise UserError(f"{found.path}: episode {first[0]}, query {first[1]} {what}{more}")
    right = np.empty(counts.shape)
    right[episode, query] = prediction == labels[episode, query]
    return right.mean(1, keepdims=True)


def score(
    paths: Sequence[Path], name: str, benchmark: str | None, results: Path, data_dir: Path | None, command: str
) -> list[tuple[Path, records.Evaluated]]:
    """Scores one file per training seed, and stores the results as records of one method. Raises UserError before
    anything is written."""
    method, read_files = _method(name), [read(path) for path in paths]
    if len({found.stream for found in read_files}) > 1:
        raise UserError(
            "the files are for different streams: score together only files that differ in their training seed"
        )
    stream, episodes = named_stream.named_stream(read_files[0].stream, data_dir)
    named_stream.check_benchmark(stream, benchmark)
    all_scores = [scores(stream, episodes, found) for found in read_files]
    sums = {f"seed{seed}/{path.name}": files.sha256(path) for seed, path in enumerate(paths)}
    if len({found.rows.tobytes() for found in read_files}) < len(read_files):
        raise UserError("two files hold the same predictions: give one file per training")
    about = {"name": f"{name} ({published_weights.origin(sums)})", "files": sums, "predictions": True}
    workload = _workload(stream, episodes, method, about)
    jobs = [
        Job(workload=workload, seed=seed, preset="paper", results=results, command=command)
        for seed in range(len(paths))
    ]
    return [(job.folder, _write_record(job, stream, about, each)) for job, each in zip(jobs, all_scores, strict=True)]


def _method(name: str) -> str:
    """The method's name in the form used for the records' folders. Raises UserError if that is empty, or the name of a
    method here."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-")
    if not slug or not name.isprintable() or len(name) > 80:
        raise UserError(
            f"--name {name[:80]!r}: give up to 80 characters, with at least one letter from a to z or digit"
        )
    if slug in METHODS:
        raise UserError(
            f"--name {name}: this project has a method of that name: say whose it is, such as 'their {name}'"
        )
    return slug


def _workload(stream: ImageEpisodes, episodes: int, method: str, about: dict[str, Any]) -> Workload:
    """The workload that the record describes. Its protocol is unknown: the fields are required, so the paper's are
    used, and they are never shown."""
    training = replace(
        presets.paper(stream.benchmark).training, iterations=1, origin=published_weights.origin(about["files"])
    )
    evaluation = Evaluation(episodes=episodes, queries=stream.shape.queries)
    return Workload(
        benchmark=stream.benchmark,
        method=PredictedMethod(method),
        protocol=Protocol(training, evaluation),
        data=stream.data,
        device=stream.device,
    )


def _write_record(job: Job, stream: ImageEpisodes, about: dict[str, Any], found: np.ndarray) -> records.Evaluated:
    """Writes the record. It needs no lock: concurrent calls for the same files write the same content."""
    info = {"command": job.command, "score": job.benchmark.measure.name, "episodes_digest": stream.digest}
    recording.write_adopted_record(job.folder, job.about, None, about)
    records.write_evaluation(job.folder, job.protocol.evaluation, _ITERATION, _STEP, found, info)
    return records.Evaluated(job.protocol.evaluation, _ITERATION, _STEP, found, info)
