"""Implements `bench.run`, `bench.summary` and `bench.episodes`, with their expensive imports."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from bench import devices
from bench.cli.running import Stop
from bench.data import benchmark_data, store
from bench.episodes import streams
from bench.errors import UserError, unknown_name
from bench.protocols import presets
from bench.protocols.benchmarks import SPLITS
from bench.report import build, csv_file
from bench.runs import complete, planning
from bench.runs import request as requests
from bench.runs.display import live_bars
from bench.runs.groups import Ended, GroupEvent, SeedGroup, WorkOptions
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
    settings: Mapping[str, Any]
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
            seeds=requests.seeds(None, self.seeds) if self.seeds else requests.seeds(0, []),
            protocol=self.protocol,
            settings=[f"{name}={_as_setting(value)}" for name, value in self.settings.items()],
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
    groups = [SeedGroup(tuple(group)) for group in planning.groups(jobs, None)]
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
    return summary(asked.results, {job.folder.resolve() for job in jobs})


def summary(results: Path, folders: Collection[Path] | None = None) -> pd.DataFrame:
    """See `bench.summary`. `folders`: if given, only cells with a run in one of them are included."""
    parts, problems = build.parts(results)
    rows = [
        csv_file.summary(section, cell)
        for section in parts[0].sections
        for cell in section.cells
        if folders is None or any(record.path.resolve() in folders for record, _ in cell.runs)
    ]
    if not rows and folders is None:
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
    if first < 0 or count < 1 or seed < 0:
        raise UserError(f"episodes {first} to {first + count - 1} of seed {seed}: start at 0, and take at least one")
    paper = presets.paper(benchmark)
    data, shape = benchmark_data.load(benchmark, paper.training, data_dir), paper.shape(split, benchmark)
    stream = streams.stream(benchmark, data, split, shape._replace(queries=queries or shape.queries), seed)
    stream.check()
    return stream.episodes(first, count)


def several(names: str | Sequence[str]) -> list[str]:
    """One name or several, always as a list."""
    return [names] if isinstance(names, str) else list(names)


def _as_setting(value: Any) -> str:
    """A value as text, in the form that `--set` accepts."""
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
