"""Pairwise comparisons of the cells of one benchmark, on their common seeds and test episodes: between methods, between
precisions of one method, and between iterations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import Any

from bench.analysis import paired_tests
from bench.analysis.cells import Cell
from bench.protocols.presets import evaluation_differences
from bench.protocols.settings import differences
from bench.protocols.usage import uses


@dataclass(frozen=True, eq=False)
class Compared:
    """Cell a minus cell b, in points, on common seeds and episodes. `holm`: the p-value corrected for all pairs of one
    table."""

    a: Cell
    b: Cell
    seeds: tuple[int, ...]
    episodes: int
    paired: paired_tests.Paired
    holm: float = math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval, in points."""
        low, high = self.paired.difference.interval()
        return float(low), float(high)


def compare_pairs(cells: Sequence[Cell]) -> list[Compared]:
    """Every pair of methods trained and evaluated in the same way, or of precisions of one method, with Holm's
    correction over the pairs that have a p-value."""
    return _correct_p_values(_longest([pair(a, b) for a, b in combinations(cells, 2) if _comparable(a, b)]))


def gains(cells: Sequence[Cell]) -> list[Compared]:
    """Each later evaluation of the same trainings minus the previous one; only the iteration differs."""
    found: dict[Any, list[Cell]] = {}
    for cell in sorted(cells, key=lambda cell: cell.iterations):
        if cell.evaluated.evaluation.weights == "last":
            same = cell.record.path.parent, cell.evaluated.evaluation, cell.evaluated.info["episodes_digest"]
            found.setdefault(same, []).append(cell)
    return _correct_p_values([pair(b, a) for same in found.values() for a, b in pairwise(same) if _common_seeds(a, b)])


def _correct_p_values(pairs: Sequence[Compared]) -> list[Compared]:
    tested = [k for k, pair in enumerate(pairs) if not math.isnan(pair.paired.p_value)]
    corrected = dict(zip(tested, paired_tests.holm([pairs[k].paired.p_value for k in tested]), strict=True))
    return [replace(pair, holm=corrected.get(k, math.nan)) for k, pair in enumerate(pairs)]


def _longest(pairs: Sequence[Compared]) -> list[Compared]:
    """The pairs; among those that differ only in their number of test episodes, the one with the most common
    episodes."""
    best: dict[Any, Compared] = {}
    for pair in sorted(pairs, key=lambda pair: -pair.episodes):
        key = [
            (c.method, c.record.path.parent, c.iterations, replace(c.evaluated.evaluation, episodes=2))
            for c in (pair.a, pair.b)
        ]
        best.setdefault(tuple(key), pair)
    return [pair for pair in pairs if pair in best.values()]


def pair(a: Cell, b: Cell) -> Compared:
    """a minus b, on the common seeds (at least one) and the first common test episodes."""
    seeds = tuple(sorted(set(a.seeds) & set(b.seeds)))
    episodes = min(a.scores.shape[1], b.scores.shape[1])  # both are the beginning of one stream
    x, y = (cell.scores[[cell.seeds.index(seed) for seed in seeds], :episodes] for cell in (a, b))
    return Compared(a, b, seeds, episodes, paired_tests.paired_difference(x, y))


def _comparable(a: Cell, b: Cell) -> bool:
    """Whether two cells differ in one factor only, or one was predicted by other code, whose factors are unknown; and
    share test episodes and at least one seed."""
    return (
        (_alike(a, b) if not (a.predicted or b.predicted) else a.method != b.method)
        and a.data["digest"] == b.data["digest"]
        and a.evaluated.info["episodes_digest"] == b.evaluated.info["episodes_digest"]
        and _common_seeds(a, b)
    )


def _alike(a: Cell, b: Cell) -> bool:
    same_time = a.iterations == b.iterations or a.evaluated.evaluation.weights == "best"
    return same_time and _factors(a, b) in ({"method"}, {"precision"}, {"evaluation.precision"})


def _trained_on(cell: Cell) -> tuple[str, str]:
    """The benchmark and the copy of the data that were trained on, which may be others than those tested on."""
    return cell.record.benchmark, cell.record.info["data"]["digest"]


def _common_seeds(a: Cell, b: Cell) -> bool:
    return not set(a.seeds).isdisjoint(b.seeds)


def _factors(a: Cell, b: Cell) -> set[str]:
    """The factors in which two cells differ, except the number of test episodes and settings that only one method
    uses."""
    same, both_use = a.method == b.method, set(a.settings) & set(b.settings)
    evaluation = evaluation_differences(both_use, a.evaluated.evaluation, b.evaluated.evaluation).keys() - {"episodes"}
    training = differences(a.record.training, b.record.training).keys()
    return {
        *({"method"} if not same else ()),
        *({"data"} if _trained_on(a) != _trained_on(b) else ()),
        # A method's source file, and settings that only it uses, are part of the method.
        *(training if same else {name for name in training - {"code"} if uses(both_use, name)}),
        *(f"evaluation.{name}" for name in evaluation),
    }
