"""From what was asked for to the runs that answer it, and to the words that say so before anything starts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from bench import benchmarks, presets, protocol, records
from bench.benchmarks import Benchmark
from bench.data import store
from bench.errors import UserError, unknown
from bench.run import Job
from methods import METHODS

_FULL = "miniimagenet-5w5s"  # the 63.11, where a GPU and the data are at hand
_EMBEDDED = "omniglot-5w1s"


@dataclass(frozen=True)
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
    command: str


def seeds(count: int | None, named: Sequence[int]) -> list[int]:
    """`--seeds N` means 0 .. N-1, `--seed K` names one. Raises UserError on none at all, or a negative one."""
    if count is not None and named:
        raise UserError("--seeds and --seed: give a number of seeds, or name them, not both")
    if count is not None and count < 1:
        raise UserError(f"--seeds {count}: at least one seed is needed")
    if any(seed < 0 for seed in named):
        raise UserError(f"--seed {min(named)}: seeds are 0 or more")
    return list(range(count)) if count is not None else sorted(set(named)) or [0]


def jobs(request: Request) -> list[Job]:
    """Every run that is asked for, by benchmark, then seed, then method. Raises UserError before anything starts."""
    for method in request.methods:
        if method not in METHODS:
            raise unknown("method", method, METHODS)
    chosen = [benchmarks.get(name) for name in request.benchmarks] or [_default_benchmark(request)]
    return [job for benchmark in dict.fromkeys(chosen) for job in _of_benchmark(request, benchmark)]


def _default_benchmark(request: Request) -> Benchmark:
    here = any(found["source"] == "mini-imagenet" and found["here"] for found in store.available(request.data_dir))
    return benchmarks.get(_FULL if request.device.type == "cuda" and here else _EMBEDDED)


def default_protocol(device: torch.device) -> str:
    """The preset that a device can run: `paper` on CUDA, `quick` on a CPU."""
    return "paper" if device.type == "cuda" else "quick"


def _of_benchmark(request: Request, benchmark: Benchmark) -> list[Job]:
    name = request.protocol or default_protocol(request.device)
    settings = protocol.with_settings(presets.preset(name, benchmark), request.settings)
    images = store.load(benchmark.source, request.data_dir, settings.training.resize)
    made = [
        Job(benchmark, method, seed, settings, name, images, request.results, request.device, request.chunk, request.command)
        for seed in request.seeds
        for method in dict.fromkeys(request.methods)
    ]
    for job in made:
        job.check()
    return made


def evaluation_job(run: str, results: Path, data_dir: Path | None, settings: Sequence[str], where: torch.device, chunk: int | None) -> tuple[Job, dict[str, Any]]:
    """A trained run with another evaluation, and its record. Raises UserError where it is not trained, or the data
    at hand are not those that it was trained on."""
    record = records.read_or_explain(records.find(results, run))
    if record.status != "finished":
        raise UserError(f"{record.name} is {record.status}: there are no trained weights to evaluate")
    benchmark = benchmarks.get(record.benchmark)
    images = store.load(benchmark.source, data_dir, record.training.resize)
    if images.digest != record.info["data"]["digest"]:
        raise UserError(f"{record.name} was trained on another copy of the data ({record.info['data']['digest'][:12]}, here {images.digest[:12]})")
    base = presets.preset(record.info["preset"], benchmark).evaluation
    changed = protocol.Protocol(record.training, protocol.with_evaluation_settings(base, settings))
    job = Job(benchmark, record.method, record.seed, changed, record.info["preset"], images, record.path.parents[3], where, chunk)
    job.check()
    return job, record.info


def described(made: Sequence[Job]) -> list[str]:
    """The plan: what will run, on what, and what its numbers can be held against."""
    lines = []
    for benchmark in dict.fromkeys(job.benchmark for job in made):
        group = [job for job in made if job.benchmark == benchmark]
        lines += _described(group[0], _listed(job.method for job in group), _listed(str(job.seed) for job in group))
    return lines


def _described(job: Job, methods: str, seeds: str) -> list[str]:
    training, evaluation = job.protocol.training, job.protocol.evaluation
    shape = "x".join(str(n) for n in job.benchmark.image_shape[1:])
    changed = protocol.differences(training, presets.preset(job.preset, job.benchmark).training)
    known = job.images.known_as or f"an unknown copy ({job.images.digest[:12]})"
    lines = [
        f"benchmark   {job.benchmark.name}: {job.benchmark.ways} ways, {job.benchmark.shots} shots, {shape}, data: {known}",
        f"methods     {methods}; seeds {seeds}",
        f"protocol    {job.preset}{_changes(changed)}: {training.iterations} iterations of {training.meta_batch} episodes, "
        f"{evaluation.episodes} test episodes, batch norm by {evaluation.batch_statistics} statistics",
        f"device      {job.device}, {torch.get_num_threads()} threads; results in {job.results}",
        f"held to     {_held_against(job)}",
    ]
    return lines + _full_protocol(job)


def _changes(changed: dict[str, tuple[object, object]]) -> str:
    return " with " + ", ".join(f"{name}={ours}" for name, (ours, _) in changed.items()) if changed else ""


def _held_against(job: Job) -> str:
    if job.benchmark.name == "tiny":
        return "nothing: `tiny` is for smoke tests"
    full = presets.preset("paper" if job.preset == "quick" else job.preset, job.benchmark).training.iterations
    if job.protocol.training.iterations < full:
        return (
            f"other runs of this protocol; not against published numbers, which took {full} iterations "
            f"({job.protocol.training.iterations} here)"
        )
    return "the published numbers of this protocol, from 3 seeds on; `python -m bench report` says which and why"


def _full_protocol(job: Job) -> list[str]:
    if job.preset != "quick" or job.benchmark.name == "tiny":
        return []
    full = presets.preset("paper", job.benchmark).training.iterations
    ratio = full / job.protocol.training.iterations
    return [f"in full     --protocol paper: {full} iterations, {ratio:.0f} times as long as this"]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names))
