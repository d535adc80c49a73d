"""The plan of a run, printed before anything starts: what runs on which data, and the numbers to compare with."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

import torch

from bench.analysis import claims_file
from bench.analysis.claims import Claim
from bench.analysis.verdicts import PlannedCell, disqualified_by
from bench.data import sources
from bench.errors import numbered_seeds, program, quantity
from bench.protocols import presets
from bench.protocols.benchmarks import FUNCTIONS, EpisodeShape
from bench.runs import lengthen, user_methods
from bench.runs.grids import Grid
from bench.runs.job import Job


def describe(
    made: Sequence[Job], grids: Sequence[Grid] = (), force: bool = False, keep: Collection[int] = ()
) -> list[str]:
    """The plan: what will run, on which data, and the published numbers it will be compared with; `force` and `keep` as
    in `run`. For a grid, the first candidate is described and the others are named."""
    lines = []
    for benchmark in dict.fromkeys(job.benchmark for job in made):
        group = [job for job in made if job.benchmark == benchmark]
        seeds = numbered_seeds(job.seed for job in group)
        lines += _describe_job(group[0], _list_text(job.workload.method.described for job in group), seeds)
        methods = dict.fromkeys(job.workload.method for job in group)
        notes = [*filter(None, map(user_methods.unhashed, methods)), *lengthen.notes(group, force, keep)]
        tried = dict.fromkeys(
            f"grid        {' | '.join(grid.candidates)}: only the best on validation is tested"
            for grid in grids
            if grid.runs[0][0].benchmark == benchmark
        )
        lines += [*tried, *_held_to(group), *_full_protocol(group[0]), *(f"note        {text}" for text in notes)]
    return lines


def _describe_job(job: Job, methods: str, seeds: str) -> list[str]:
    training, evaluation = job.protocol.training, job.protocol.evaluation
    data, device = job.workload.data, job.workload.device
    copy = sources.copy_name(data.name, data.digest, data.known_as)
    return [
        f"benchmark   {job.benchmark.name}: {job.benchmark.described}",
        f"data        {copy}",
        *(f"            note: {text}" for text in data.remarks),
        f"methods     {methods}; {seeds}",
        f"protocol    {job.described_protocol}: {quantity(training.iterations, 'iteration')}{_evaluation_text(job)} of "
        f"{quantity(training.meta_batch, 'episode')}, {evaluation.episodes} test episodes, {_norm(job)}",
        *_shapes(job),
        f"device      {device}, {quantity(torch.get_num_threads(), 'thread')}, {_how(job)}; results in {job.results}",
    ]


def _shapes(job: Job) -> Iterator[str]:
    """Episode shapes of training and validation, if they differ from those at test. Missing validation data are not an
    error."""
    if not job.workload.tested_here:
        return
    if (shape := job.stream("train").shape)[:2] != job.stream("test").shape[:2]:
        yield f"training    {_shape(shape)} per class"
    validating = job.validating()
    asked, shape = validating.protocol.shape("valid", job.benchmark), validating.stream("valid").shape
    if shape != asked:
        yield f"validation  {_shape(shape)} per class, not {_shape(asked)}: it has too few classes or images for that"


def _shape(shape: EpisodeShape) -> str:
    ways, shots, queries = shape
    return f"{quantity(ways, 'way')}, {quantity(shots, 'shot')} + {quantity(queries, 'query')}"


def _norm(job: Job) -> str:
    if job.benchmark.form == FUNCTIONS:
        return "no batch norm"
    return f"{job.protocol.evaluation.batch_statistics} statistics in batch norm"


def _evaluation_text(job: Job) -> str:
    return f" (also evaluated after {_list_text(map(str, job.milestones))})" if job.milestones else ""


def _how(job: Job) -> str:
    runner = job.workload.training_executions(1)[0]
    return f"{runner.mode}, {quantity(runner.chunk, 'episode')} at once"


def _held_to(group: Sequence[Job]) -> Iterator[str]:
    """The published number closest to each method's runs, then the closest one of the user's claims file beside the
    records, each with what will prevent a verdict."""
    seeds, benchmark = tuple(dict.fromkeys(job.seed for job in group)), group[0].benchmark
    own = claims_file.own_claims(group[0].results, None, [benchmark], about={benchmark.name})
    published = claims_file.published_claims()
    for job in {job.method: job for job in group}.values():
        against = filter(None, (_closest(job, seeds, claims) for claims in (published, own)))
        yield from (f"compared    {job.method}: {text}" for text in list(against) or ["no published number"])


def _closest(job: Job, seeds: tuple[int, ...], claims: Sequence[Claim]) -> str:
    """The claim closest to the runs of a method, and whether it will be judged; empty if none is about them."""
    data = {"name": job.workload.data.name, "partial": job.workload.data.partial}
    at = (job.protocol.training.iterations,)
    planned = PlannedCell(job.benchmark, job.workload.method.settings, job.protocol, seeds, data, at)
    known = [claim for claim in claims if (claim.benchmark, claim.method) == (job.benchmark.name, job.method)]
    if not known:
        return ""
    against = [(claim, disqualified_by(claim, planned)) for claim in known]
    claim, reasons = min(against, key=lambda pair: (not pair[0].protocol, len(pair[1])))
    unless = f"which will not be judged: {'; '.join(reasons)}"
    return f"with {claim.number} ({claim.source}), {unless if reasons else f'to be judged by `{program()} report`'}"


def _full_protocol(job: Job) -> list[str]:
    if job.preset != "quick" or job.benchmark.name == "tiny":
        return []
    full = presets.preset("paper", job.benchmark).training.iterations
    ratio = full / job.protocol.training.iterations
    return [f"in full     --protocol paper: {full} iterations, {ratio:.0f} times as many"]


def _list_text(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names))
