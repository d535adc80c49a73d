"""Finds the method and data of a recorded run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import records
from bench.data import benchmark_data
from bench.episodes.stream import Data
from bench.episodes.streams import stream
from bench.errors import UserError, unknown_name
from bench.protocols import benchmarks, known_methods, protocol, settings
from bench.protocols.benchmarks import Benchmark
from bench.runs import user_methods
from bench.runs.job import Job
from bench.runs.user_methods import UserMethod
from bench.training.workload import NamedMethod
from methods import METHODS


def method_of(folder: Path, info: Mapping[str, Any], named: Sequence[str]) -> NamedMethod:
    """The method of a record: a built-in one, or the one among those in `named` whose file the run was trained with.
    Raises UserError if it is neither; code that a record names is never imported."""
    name, code = info["method"], info["training"].get("code")
    if records.predicted(info):
        raise UserError(f"{folder} holds the scores of another code's predictions: there are no weights to evaluate")
    if code is None:
        if name not in METHODS:
            raise unknown_name("method", name, METHODS)
        return NamedMethod(name)
    asked = [*named, *(offered for offered in known_methods.offered_methods() if offered == name)]
    mine = [found for found in map(user_methods.find, asked) if isinstance(found, UserMethod) and found.name == name]
    for found in mine:
        if found.code == code:
            return found
    file = info.get("code", {}).get("file", f"{name}.py")
    have = "".join(f"; {found.file.name} here has {found.code}" for found in mine)
    named_so = f"give that file with --method path/to/{file}"
    if Path(file).stem != name:  # provided by a package, under a name that is not the file's
        named_so = (
            f"install the package that provides {name}, or give a copy of that file with --method path/to/{name}.py"
        )
    raise UserError(f"{folder} was made with {file} ({code}){have}: {named_so}")


def trained_on(
    folder: Path, info: Mapping[str, Any], data_dir: Path | None
) -> tuple[Benchmark, protocol.Training, Data]:
    """The benchmark, training settings and data of a recorded run. Raises UserError if the data here are another copy,
    or the record names something unknown."""
    benchmark, training = benchmarks.of_record(info), settings.from_fields(protocol.Training, info["training"])
    data, theirs = benchmark_data.load(benchmark, training, data_dir), info["data"]["digest"]
    if data.digest != theirs and not _has_the_part(benchmark, training, data, info):
        raise UserError(
            f"{folder} was trained on another copy of the data: digest {theirs[:12]}, here {data.digest[:12]}"
        )
    return benchmark, training, data


def on_benchmark(job: Job, benchmark: Benchmark, data_dir: Path | None) -> Job:
    """A trained run, to be evaluated on another benchmark. Raises UserError if its weights expect other inputs."""
    trained, evaluation = job.benchmark, replace(job.protocol.evaluation, benchmark=benchmark.name)
    if (trained.form, trained.input_shape) != (benchmark.form, benchmark.input_shape):
        raise UserError(
            f"--benchmark {benchmark.name}: the weights of {trained.name} need {trained.described}, and it has "
            f"{benchmark.described}"
        )
    tested_on = benchmark, benchmark_data.load(benchmark, job.protocol.training, data_dir)
    return job.with_workload(protocol=replace(job.protocol, evaluation=evaluation), tested_on=tested_on)


def _has_the_part(benchmark: Benchmark, training: protocol.Training, data: Data, info: Mapping[str, Any]) -> bool:
    """Whether a run was trained on a partial data set from which these data draw the same training episodes."""
    drawn = (info.get("episodes_digest") or {}).get("train")
    if not info["data"].get("partial") or drawn is None:
        return False
    shape = protocol.Protocol(training, protocol.Evaluation()).shape("train", benchmark)
    how = {"by_class": training.meaning == protocol.BY_CLASS, "rotations": training.rotations}
    return stream(benchmark, data, "train", shape, info["seed"], **how).digest == drawn
