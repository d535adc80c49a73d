"""The last lines of a command that trains: each cell's mean over its seeds, with the report's names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.records import Record
    from bench.runs.job import Job


def lines(jobs: Sequence[Job]) -> list[str]:
    """One line per cell with several seeds: protocol, mean and interval. A single seed already has its own line."""
    from bench.analysis.pooling import pool, usable
    from bench.report import wording

    if len({job.seed for job in jobs}) < 2:
        return []
    asked = {job.protocol.evaluation for job in jobs}
    cells, _ = pool(usable(_records(jobs))[0])
    means = {id(cell): float(cell.headline.value) / cell.measure.factor for cell in cells}
    return [
        f"{cell.title} {cell.method}, {cell.described}: {cell.measure.written(means[id(cell)])}, "
        f"95 % interval {wording.ends(cell.intervals['both'], cell.measure.form)} over episodes + seeds "
        f"({wording.counted_seeds(cell)}, {wording.iterations(cell)} iterations)"
        for cell in cells
        if len(cell.seeds) > 1 and cell.evaluated.evaluation in asked
    ]


def _records(jobs: Sequence[Job]) -> Iterator[Record]:
    from bench import records
    from bench.records import fields

    for folder in dict.fromkeys(job.folder for job in jobs):
        try:
            yield records.read(folder)
        except fields.Corrupt:
            continue  # the run has already reported it
