"""Plans the runs that a request needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch

from bench.data import benchmark_data, listing, store
from bench.episodes.stream import Data
from bench.errors import UserError
from bench.protocols import benchmarks, presets, protocol
from bench.protocols.benchmarks import Benchmark
from bench.protocols.experiments import Experiment, RunBlock
from bench.protocols.method_settings import with_used_settings
from bench.runs import used_settings, user_methods
from bench.runs.grids import Grid, grids
from bench.runs.job import Job
from bench.runs.request import Request
from bench.training.modes import seeds_at_once
from bench.training.workload import NamedMethod, Workload


def jobs(request: Request) -> list[Job]:
    """All requested runs, by benchmark, then seed, then method. Raises UserError before anything starts."""
    chosen = [store.benchmark(name, request.data_dir) for name in request.benchmarks] or [_default_benchmark(request)]
    return [job for benchmark in dict.fromkeys(chosen) for job in _of_benchmark(request, benchmark)]


class PlannedRuns(NamedTuple):
    """The runs of one block of a request, and the grids that they are candidates of."""

    jobs: list[Job]
    grids: list[Grid]


def plan(experiment: Experiment, common: Request) -> list[PlannedRuns]:
    """The runs of each block of an experiment; `common` says how and where they run. Raises UserError, with the place
    in the file, before anything starts."""
    return [_of_block(experiment, block, common) for block in experiment.blocks]


def _of_block(experiment: Experiment, block: RunBlock, common: Request) -> PlannedRuns:
    made = [_of_candidate(experiment, candidate, common) for candidate in block.candidates]
    found = grids(experiment, block, made)
    jobs = [job for grid in found for runs in grid.runs for job in runs]
    return PlannedRuns(jobs or made[0], found)


def _of_candidate(experiment: Experiment, block: RunBlock, common: Request) -> list[Job]:
    for method in block.methods:
        with experiment.at(block, "methods"):
            user_methods.find(method)
    for name in block.benchmarks:
        with experiment.at(block, "benchmarks"):
            benchmark = store.benchmark(name, common.data_dir)
        experiment.protocol_of(block, benchmark)
    asked = {name: getattr(block, name) for name in ("methods", "benchmarks", "seeds", "protocol", "settings")}
    with experiment.at(block):
        return jobs(replace(common, **asked, experiment=experiment))


def _default_benchmark(request: Request) -> Benchmark:
    rows = listing.available(request.data_dir)
    here = any(row["source"] == "mini-imagenet" and row["here"] and not row["partial"] for row in rows)
    return benchmarks.get(benchmarks.FIRST if request.device.type == "cuda" and here else benchmarks.INCLUDED)


def default_protocol(device: torch.device) -> str:
    """The default preset for a device: `paper` on CUDA, `quick` on a CPU."""
    return "paper" if device.type == "cuda" else "quick"


def _of_benchmark(request: Request, benchmark: Benchmark) -> list[Job]:
    name = request.protocol or default_protocol(request.device)

    def asked(method: NamedMethod) -> protocol.Protocol:
        preset = presets.preset(name, benchmark, method.settings)
        return with_used_settings(preset, request.settings, used_settings.moved_by(method))

    used_settings.check(request.settings, methods_named(request.methods))
    return runs(request, benchmark, name, asked)


def runs(
    request: Request, benchmark: Benchmark, name: str, asked: Callable[[NamedMethod], protocol.Protocol]
) -> list[Job]:
    """One run per seed and method. `asked` gives the protocol for a method: the preset `name`, or one derived from it.
    Raises UserError."""
    asked_of = {method: asked(method) for method in methods_named(request.methods)}
    training = next(iter(asked_of.values())).training
    benchmark_data.check_variant(benchmark, training)
    data = benchmark_data.load(benchmark, training, request.data_dir)
    made = [
        job_of(request, benchmark=benchmark, method=method, seed=seed, asked=ours, preset=name, data=data)
        for seed in request.seeds
        for method, ours in asked_of.items()
    ]
    for job in made:
        job.check()
    return made


def job_of(
    request: Request,
    *,
    benchmark: Benchmark,
    method: NamedMethod,
    seed: int,
    asked: protocol.Protocol,
    preset: str,
    data: Data,
) -> Job:
    """The run of one seed. The hash of a user's source file is part of the training settings, so that trainings with
    different code have different records."""
    workload = Workload(
        benchmark=benchmark,
        method=method,
        protocol=replace(asked, training=replace(asked.training, code=method.code)),
        data=data,
        device=request.device,
        chunk=request.chunk,
        mode=request.mode,
    )
    return Job(
        workload=workload,
        seed=seed,
        preset=preset,
        results=request.results,
        command=request.command,
        milestones=presets.milestones(preset, benchmark, asked.training.iterations),
        experiment=request.experiment,
    )


def _at_once(job: Job) -> int:
    return seeds_at_once(job.workload.network(), job.workload.training_benchmark, job.workload.device)


def groups(made: Sequence[Job], together: int | None, workers: int = 1) -> list[list[Job]]:
    """The runs in execution order, grouped into those that train together: the same benchmark and method, and
    `together` seeds (None: as many as fit on the device, but few enough that every worker has something to do)."""
    share = math.ceil(len(made) / workers)
    found: dict[tuple[str, int, str, str], list[Job]] = {}
    for job in made:
        seeds = list(dict.fromkeys(other.seed for other in made if other.benchmark == job.benchmark))
        size = together or min(share, _at_once(job))
        found.setdefault((job.benchmark.name, seeds.index(job.seed) // size, job.method, job.key.hash), []).append(job)
    return list(found.values())


def methods_named(named: Sequence[str]) -> list[NamedMethod]:
    """The methods with these names or files. Raises UserError if two files would be recorded under one name."""
    found: dict[str, NamedMethod] = {}
    for asked in dict.fromkeys(named):
        method = user_methods.find(asked)
        if found.setdefault(method.name, method) != method:
            both = f"two methods would both be recorded as {method.name!r}"
            raise UserError(f"--method {asked}: {both}: rename one of the files")
    return list(found.values())
