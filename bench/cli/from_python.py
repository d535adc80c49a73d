"""Implements `bench.run`, `bench.summary` and `bench.episodes`, with their expensive imports."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from rich.console import Console

from bench import devices
from bench.cli.running import Stop
from bench.data import benchmark_data, store
from bench.episodes import streams
from bench.errors import UserError, unknown_name
from bench.protocols import presets
from bench.protocols.benchmarks import SPLITS
from bench.protocols.protocol import Evaluation
from bench.report import build, csv_file
from bench.runs import complete, planning
from bench.runs import request as requests
from bench.runs.display import live_bars
from bench.runs.groups import Ended, GroupEvent, WorkOptions, seed_groups
from bench.runs.workers.board import Board
from bench.runs.workers.in_process import InProcess
from methods.contract import Episode

_CHECKPOINT_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The arguments of `bench.run`."""

    benchmarks: Sequence[str]
    methods: Sequence[str]
    seeds: Sequence[int]
    protocol: str | None
    settings: Sequence[str]
    results: Path
    data_dir: Path | None
    device: str
    threads: int | None

    @property
    def request(self) -> requests.Request:
        """The request that the command line would make from the same arguments. Raises UserError."""
        return requests.Request(
            methods=self.methods,
            benchmarks=self.benchmarks,
            seeds=requests.seeds(None, self.seeds),
            protocol=self.protocol,
            settings=self.settings,
            device=devices.device(self.device),
            results=self.results,
            data_dir=self.data_dir,
            chunk=None,
            mode=None,
            command="bench.run of Python",
        )


def run(asked: Asked, progress: bool) -> pd.DataFrame:
    """See `bench.run`."""
    import torch

    devices.make_repeatable(asked.threads)
    jobs = planning.jobs(asked.request)
    groups = seed_groups(planning.groups(jobs, None))
    options, ended = WorkOptions(torch.get_num_threads(), _CHECKPOINT_SECONDS), set[int]()
    # Plain lines on stdout, which a notebook shows below its cell; a progress bar if stdout is a terminal.
    console = Console(file=sys.stdout, force_jupyter=False, quiet=not progress)
    with live_bars(console) as bars, Stop() as stop:
        board = Board(groups, 1, bars)

        def on_event(place: int, event: GroupEvent) -> None:
            board(place, event)
            if isinstance(event, Ended) and not event.stopped:
                ended.add(place)

        InProcess(complete.work).run(groups, options, on_event, stop)
    if len(ended) < len(groups):
        raise KeyboardInterrupt("stopped; the same call resumes")
    return summary(asked.results, {(job.folder.resolve(), job.protocol.evaluation) for job in jobs})


def summary(results: Path, made: Collection[tuple[Path, Evaluation]] | None = None) -> pd.DataFrame:
    """See `bench.summary`. `made`: if given, only cells with one of these evaluations of a run are included."""
    parts, problems = build.parts(results)
    rows = [
        csv_file.summary(section, cell)
        for section in parts[0].sections
        for cell in section.cells
        if made is None or any((record.path.resolve(), each.evaluation) in made for record, each in cell.runs)
    ]
    if not rows and made is None:
        raise UserError(f"no records with scores in {results}: `bench.run` writes them")
    table = pd.DataFrame(rows)
    table.attrs["problems"] = problems
    return table


def episodes(
    name: str, split: str, first: int, count: int, queries: int | None, seed: int, data_dir: Path | None
) -> Episode:
    """See `bench.episodes`."""
    benchmark = store.benchmark(name, data_dir)
    if split not in SPLITS:
        raise unknown_name("split", split, SPLITS)
    paper = presets.paper(benchmark)
    data, shape = benchmark_data.load(benchmark, paper.training, data_dir), paper.shape(split, benchmark)
    stream = streams.stream(benchmark, data, split, shape._replace(queries=queries or shape.queries), seed)
    stream.check()
    return stream.episodes(first, count)
