"""What of the records belongs to one experiment: its runs, and of them the evaluations that it asks for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from bench.benchmarks import of_record
from bench.claims import Claim
from bench.experiments import Block, Experiment
from bench.records import Record


def selected(records: Iterable[Record], experiment: Experiment) -> list[Record]:
    """The records of the experiment's runs, each with those evaluations only that a block asks for."""
    parts = ((record, _evaluations(record, experiment)) for record in records)
    return [replace(record, evaluations=tuple(found)) for record, found in parts if found is not None]


def claims_about(claims: Iterable[Claim], experiment: Experiment) -> list[Claim]:
    """Those of its benchmarks and methods."""
    asked = {(name, method) for block in experiment.blocks for name in block.benchmarks for method in _methods(block)}
    return [claim for claim in claims if (claim.benchmark, claim.method) in asked]


def progress(records: Sequence[Record], experiment: Experiment) -> str:
    """How many of its runs are here, in words."""
    asked = {
        (block.protocol, block.settings, benchmark, method, seed)
        for block in experiment.blocks
        for benchmark in block.benchmarks
        for method in block.methods
        for seed in block.seeds
    }
    done = sum(record.status == "finished" for record in records)
    return f"experiment {experiment.name} ({experiment.kept['digest'][:8]}): {done} of {len(asked)} runs finished here"


def _evaluations(record: Record, experiment: Experiment) -> list | None:
    """The record's evaluations that are asked for; None where the run itself is not."""
    asked = [block for block in experiment.blocks if _asks(block, record, experiment)]
    if not asked:
        return None
    wanted = [block.protocol_for(of_record(record.info)).evaluation for block in asked]
    return [evaluated for evaluated in record.evaluations if evaluated.evaluation in wanted]


def _asks(block: Block, record: Record, experiment: Experiment) -> bool:
    named = record.benchmark in block.benchmarks and record.method in _methods(block) and record.seed in block.seeds
    if not named:
        return False
    with experiment.at(block):
        return block.protocol_for(of_record(record.info)).training == replace(record.training, code=None)


def _methods(block: Block) -> set[str]:
    """By the names that their runs go by: of an own method, that of its file."""
    return {Path(asked).stem for asked in block.methods}
