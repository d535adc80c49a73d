"""Groups records into cells: which belong together, which cannot be pooled, and which have no scores."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.analysis import bootstrap
from bench.analysis.cells import Cell, Pair
from bench.analysis.collapse import ADVICE, collapse_text, collapsed
from bench.analysis.function_fit import fit
from bench.errors import UserError
from bench.protocols import benchmarks, known_methods, published_weights
from bench.protocols.measures import Measure
from bench.protocols.protocol import evaluation_hash
from bench.records.contents import Evaluated, Record
from bench.records.layout import evaluation_stem

_BOOTSTRAP_SEED = 0


def pool(records: Iterable[Record]) -> tuple[list[Cell], list[str]]:
    """The cells of all finished runs, in the order of tables, and a line for each cell that cannot be pooled."""
    groups: dict[tuple[Any, ...], list[Pair]] = defaultdict(list)
    beside: dict[Path, list[Record]] = defaultdict(list)
    for record in records:
        beside[record.path.parent].append(record)
        for evaluated in record.evaluations if record.status == "finished" else ():
            if not evaluated.lost:
                groups[_key(record, evaluated)].append((record, evaluated))
    cells = [
        Cell(tuple(sorted(runs, key=lambda run: run[0].seed)), _diverged_seeds(key, beside[runs[0][0].path.parent]))
        for key, runs in groups.items()
    ]
    problems = {id(cell): _unpoolable(cell) for cell in cells}
    good = _add_bootstrap([cell for cell in cells if not problems[id(cell)]])
    return sorted(good, key=_order), sorted(filter(None, problems.values()))


def _add_bootstrap(cells: Iterable[Cell]) -> list[Cell]:
    """The cells with their crossed bootstrap; cells of one shape share the draws, which take most of the time."""
    shapes: dict[tuple[int, ...], list[Cell]] = defaultdict(list)
    for cell in cells:
        shapes[cell.scores.shape].append(cell)
    made = []
    for same in shapes.values():
        ends = bootstrap.crossed_bootstrap(
            np.stack([cell.scores for cell in same]), np.random.default_rng(_BOOTSTRAP_SEED)
        )
        made += [
            replace(cell, bootstrap=interval) for cell, interval in zip(same, zip(*ends, strict=True), strict=True)
        ]
    return made


def usable(records: Iterable[Record]) -> tuple[list[Record], list[str]]:
    """The records that a report can use, and a line for each other one: its benchmark is unknown, or it does not
    identify its data and episodes."""
    good, problems = [], []
    for record in records:
        try:
            _check(record)
            good.append(record)
        except KeyError as error:
            problems.append(f"{record.path}: the record lacks {error}")
        except (TypeError, ValueError, UserError) as error:
            problems.append(f"{record.path}: {error}")
    return good, problems


def _check(record: Record) -> None:
    low, high = benchmarks.of_record(record.info).measure.bounds
    data, _ = record.info["data"], record.info["iteration"]
    for key in ("name", "digest", "known_as", "partial"):
        data[key]
    _check_origin(record)
    _check_code(record)
    for evaluated in record.evaluations:
        evaluated.info["episodes_digest"]
        benchmarks.of_evaluation(record.info, evaluated.info, evaluated.evaluation.benchmark)
        for key in ("name", "digest", "known_as", "partial"):
            (evaluated.info.get("data") or data)[key]
        outside = (evaluated.scores < low) | (evaluated.scores > high)
        if np.any(outside):
            raise ValueError(f"a score of evaluation @{evaluated.iteration} is outside {low:g} to {high:g}")
        fit(evaluated)


def _check_origin(record: Record) -> None:
    """Raises ValueError unless the origin in the training settings matches the weight files that the record names."""
    about = record.info.get("origin")
    found = None if about is None else published_weights.origin(dict(about["files"]))
    if found != record.training.origin:
        raise ValueError(f"its settings do not match the files of {about and about['name']}")


def _check_code(record: Record) -> None:
    """Raises ValueError unless the code in the training settings matches the source file that the record names."""
    about = record.info.get("code")
    found = None if about is None else str(about["sha256"])[:8]
    if found != record.training.code or (about and not isinstance(about["file"], str)):
        raise ValueError(f"its settings do not match the file of its method, {about and about['file']}")


def _key(record: Record, evaluated: Evaluated) -> tuple[Any, ...]:
    # The best weights come from a different iteration for every seed, but still form one cell.
    iteration = "best" if evaluated.evaluation.weights == "best" else evaluated.iteration
    training = record.path.parent.name
    return record.benchmark, record.method, training, evaluation_hash(evaluated.evaluation), iteration


def _diverged_seeds(key: tuple[Any, ...], records: Iterable[Record]) -> tuple[int, ...]:
    """The seeds that are missing from the cell because they diverged, in training or in its test. `records`: all
    records of this training."""

    def lost(record: Record) -> bool:
        return record.status == "diverged" or any(e.lost and _key(record, e) == key for e in record.evaluations)

    return tuple(sorted(record.seed for record in records if lost(record)))


def _unpoolable(cell: Cell) -> str:
    """Why the runs of a cell cannot form one matrix; empty if they can."""
    found = {
        "data": {(evaluated.info.get("data") or record.info["data"])["digest"] for record, evaluated in cell.runs},
        "test episodes": {evaluated.info["episodes_digest"] for _, evaluated in cell.runs},
        "training settings": {record.training for record, _ in cell.runs},
    }
    differ = [name for name, values in found.items() if len(values) > 1]
    if len(set(cell.seeds)) < len(cell.seeds):
        differ.append("seeds' folders (one seed is in two)")
    if not differ:
        return ""
    return f"{cell.record.path.parent}: the {' and '.join(differ)} of its seeds differ: not pooled, and left out"


def _order(cell: Cell) -> tuple[Any, ...]:
    return known_methods.order(cell.method), cell.described, -max(cell.iterations), cell.record.path.parent


def outcome(record: Record) -> str:
    """A line for a run that has no scores, or no meaningful ones; empty for other runs."""
    if record.status == "diverged":
        return f"diverged at iteration {record.info.get('diverged_at', record.info['iteration'])}; excluded from means"
    if record.status == "unfinished":
        return f"unfinished: {record.info['iteration']} of {record.training.iterations} iterations; excluded from means"
    if not record.evaluations:
        return "trained, not evaluated"
    measure = benchmarks.of_record(record.info).measure
    lost = [_missing_mean(evaluated, measure) for evaluated in record.evaluations if evaluated.lost]
    return "; ".join([*lost, *_collapse_warnings(record, measure)])


def _collapse_warnings(record: Record, measure: Measure) -> list[str]:
    """A line for a run that collapsed, with the training loss that shows why; empty for other runs."""
    found = [
        collapse_text(evaluated.final, measure)
        for evaluated in record.evaluations
        if collapsed(evaluated.final, measure)
    ]
    if not found or not len(record.points.get("train_loss", ())):
        return found[:1]
    chance = math.log(benchmarks.of_record(record.info).ways)
    loss = float(record.points["train_loss"][-1])
    return [f"{found[0]}; the training loss ended at {loss:.3g} (chance: {chance:.2f}): {ADVICE}"]


def _missing_mean(evaluated: Evaluated, measure: Measure) -> str:
    """The description of an evaluation without a mean."""
    others = evaluated.final[np.isfinite(evaluated.final)]
    mean = f" (the mean of the others is {measure.written(others.mean())})" if len(others) else ""
    name = evaluation_stem(evaluated.evaluation, evaluated.iteration)
    return (
        f"outputs not finite in {evaluated.lost} of {len(evaluated.final)} test episodes of evaluation {name}{mean}; "
        "excluded from means"
    )
