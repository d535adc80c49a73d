"""Selects the runs and evaluations that belong to an experiment."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from bench.analysis.claims import Claim
from bench.errors import UserError
from bench.protocols.benchmarks import Benchmark, get, of_record
from bench.protocols.experiments import Experiment, RunBlock
from bench.protocols.protocol import INNER_LOOP, Protocol
from bench.protocols.usage import as_used
from bench.records import Evaluated, Record
from bench.records.choices import grid_of


def select(records: Iterable[Record], experiment: Experiment) -> list[Record]:
    """The records of the experiment's runs, each with only those evaluations that the experiment asks for; without the
    candidates of a grid that were not chosen, once one of them was."""
    records = list(records)
    asked = _wanted_runs(experiment, records)
    mine = [(record, keys) for record in records if (keys := [key for key in asked if key.is_of(record)])]
    made = [(replace(record, evaluations=_matching_evaluations(record, keys)), keys) for record, keys in mine]
    of_grids = [(key, record) for record, keys in made for key in keys if key.tried]
    chosen = {key.grid: record.path.parent for key, record in of_grids if _matching_evaluations(record, [key])}

    def is_passed_over(record: Record, keys: Sequence[_Key]) -> bool:
        untested = record.status == "finished" and not record.evaluations
        return untested and all(chosen.get(key.grid, record.path.parent) != record.path.parent for key in keys)

    return [record for record, keys in made if not is_passed_over(record, keys)]


def claims_about(claims: Iterable[Claim], experiment: Experiment) -> list[Claim]:
    """The claims about an experiment's benchmarks and methods."""
    blocks = experiment.blocks
    asked = {pair for block in blocks for pair in product(block.benchmarks, map(_recorded_name, block.methods))}
    return [claim for claim in claims if (claim.benchmark, claim.method) in asked]


def progress(records: Sequence[Record], experiment: Experiment) -> str:
    """How many of the experiment's runs are among these records, trained and evaluated as requested, in words."""
    asked = _wanted_runs(experiment, records)
    done = sum(any(key.is_done(record) for record in records) for key in asked)
    return f"experiment {experiment.name} ({experiment.kept['digest'][:8]}): {done} of {len(asked)} runs finished here"


@dataclass(frozen=True)
class _Key:
    """One run that an experiment asks for. `protocol`: None if its benchmark is unknown, so that there cannot be a
    record. `used`: the settings that its method uses. `codes`, for a user's method: the code of its file, or empty (any
    code) if the file is missing. `tried`: the candidates of the grid that the run belongs to, in block `block` of the
    file; it is tested only if chosen."""

    benchmark: str
    method: str
    seed: int
    protocol: Protocol | None
    used: tuple[str, ...]
    codes: tuple[str, ...]
    tried: tuple[str, ...] = ()
    block: int | None = None

    @property
    def grid(self) -> tuple[str, str, int | None]:
        """What identifies the grid that the run belongs to: its benchmark, method and block."""
        return self.benchmark, self.method, self.block

    def is_of(self, record: Record) -> bool:
        """Whether a record is of this training."""
        code = record.training.code
        if self.protocol is None or (self.codes and code not in self.codes):
            return False
        same = (record.benchmark, record.method, record.seed) == (self.benchmark, self.method, self.seed)
        return same and self._alike(replace(record.training, code=None), self.protocol.training)

    def asks_for(self, evaluated: Evaluated) -> bool:
        """Whether the experiment asks for this evaluation of the training."""
        if self.protocol is None or not self._alike(evaluated.evaluation, self.protocol.evaluation):
            return False
        grid = grid_of(evaluated.info)
        return not self.tried or (grid is not None and tuple(grid[1]) == self.tried)

    def is_done(self, record: Record) -> bool:
        """Whether a record is of this training, and has everything that the experiment asks for."""
        return self.is_of(record) and bool(
            _matching_evaluations(record, [self]) or (self.tried and record.status == "finished")
        )

    def _alike(self, ours: Any, theirs: Any) -> bool:
        return bool(as_used(ours, self.used) == as_used(theirs, self.used))


def _matching_evaluations(record: Record, keys: Sequence[_Key]) -> tuple[Evaluated, ...]:
    return tuple(each for each in record.evaluations if any(key.asks_for(each) for key in keys))


def _wanted_runs(experiment: Experiment, records: Sequence[Record]) -> list[_Key]:
    """The runs that all blocks ask for, each once. Raises UserError if one has an invalid protocol."""
    known = {record.benchmark: of_record(record.info) for record in records}
    used = {record.method: record.settings(*record.evaluations[:1]) for record in records}
    return list(dict.fromkeys(key for block in experiment.blocks for key in _keys(experiment, block, known, used)))


def _keys(
    experiment: Experiment, block: RunBlock, known: Mapping[str, Benchmark], used: Mapping[str, tuple[str, ...]]
) -> Iterator[_Key]:
    for name in block.benchmarks:
        benchmark = known.get(name) or _built_in(name)
        for candidate in block.candidates:
            for method in block.methods:
                ours = used.get(_recorded_name(method), INNER_LOOP)  # without a record it does not matter
                protocol = experiment.protocol_of(candidate, benchmark, ours) if benchmark is not None else None
                of_grid = (block.tried, block.number) if block.tried else ()
                for seed in block.seeds:
                    yield _Key(name, _recorded_name(method), seed, protocol, ours, _codes(method), *of_grid)


def _built_in(name: str) -> Benchmark | None:
    try:
        return get(name)
    except UserError:  # the user's own images, of which there is no record
        return None


def _recorded_name(method: str) -> str:
    """The name under which a method's runs are recorded: for a user's method, the name of its file."""
    return Path(method).stem


def _codes(method: str) -> tuple[str, ...]:
    """The code of a method's file, without `user_methods`, which needs torch; empty for a name, or if the file is
    missing."""
    if Path(method).suffix != ".py" and Path(method).name == method:
        return ()
    with suppress(OSError):
        return (hashlib.sha256(Path(method).read_bytes()).hexdigest()[:8],)
    return ()
