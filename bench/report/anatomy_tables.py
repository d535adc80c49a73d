"""The variance decomposition ("anatomy") of the intervals as rows of text: for every run, every published number, and
by inner step."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import product

import numpy as np

from bench.analysis import anatomy, statistics
from bench.analysis.cells import Cell
from bench.analysis.claims import Claim
from bench.analysis.intervals import Range
from bench.report import wording
from bench.report.table_notes import ANATOMY, COMPATIBLE
from bench.report.tables import Row, Table

# SD between episodes, in points, implied by published 5-way results and the test sizes they state: 6.0, 6.4 and 8.1 for
# 48.70, 63.11 (Finn et al. 2017) and 49.79 % (Ravi & Larochelle 2017). Nearer to chance, episodes differ less.
_PUBLISHED = {"mini-imagenet": (6.0, 8.0)}
_PUBLISHED_OF = (40.0, 70.0)  # % accuracy
_NEAR = 5.0  # a run of ours within this many points of a published accuracy shows which spread is plausible
_EPISODES, _QUERIES = (600, 1000), (1, 5, 15)  # usual numbers of test episodes, and of queries per class


def tables(cells: Sequence[Cell], claims: Sequence[Claim]) -> list[Table]:
    """Tables for cells and claims with a measure that counts right answers: other measures have no binomial
    variance."""
    return [
        Table("anatomy of the intervals (SDs in points)", _intervals(cells, claims), ANATOMY, folded=True),
        Table("anatomy by inner step (SDs in points)", list(_inner_steps(cells)), folded=True),
        Table("test sizes consistent with the published ±", _compatibilities(cells, claims), COMPATIBLE, folded=True),
    ]


def _intervals(cells: Sequence[Cell], claims: Sequence[Claim]) -> list[Row]:
    """One row per cell, and per claim whose test size is known: the components of its interval."""
    ours = [_of_cell(cell) for cell in cells]
    return ours + [_of_claim(claim) for claim in claims if claim.over_tasks and _test(claim)]


def _of_cell(cell: Cell) -> Row:
    parts, crossed = anatomy.of_scores(cell.scores / 100, cell.queries), anatomy.components(cell.scores)
    own = _row(f"{cell.method}: {cell.described}", wording.episodes(cell), parts)
    return own | {"shared difficulty": _sd(crossed.episodes), "between seeds": _sd(crossed.seeds)}


def _of_claim(claim: Claim) -> Row:
    assert claim.ci95 is not None
    episodes, queries = _test(claim)[0]
    parts = anatomy.of_claim(claim.accuracy / 100, claim.ci95 / 100, episodes, queries)
    own = _row(_name(claim), f"{episodes} × {queries} queries", parts)
    return own | {"shared difficulty": wording.NONE, "between seeds": wording.NONE}


def _row(name: str, test: str, parts: anatomy.Anatomy) -> Row:
    return {
        "result": name,
        "test episodes": test,
        "SD of episode accuracy": _sd(1e4 * (parts.between + parts.binomial)),
        "binomial part": _sd(1e4 * parts.binomial),
        "between episodes": _sd(1e4 * parts.between),
    }


def _inner_steps(cells: Sequence[Cell]) -> Iterator[Row]:
    """One row per cell that takes inner steps: its components at steps 0, 1, ..."""
    for cell in cells:
        if len(cell.by_step) == 1:
            continue
        shown = cell.shown_steps
        scores = cell.by_step[shown]
        parts, crossed = anatomy.of_scores(scores / 100, cell.queries), anatomy.components(scores)
        parts_in_points = {
            "accuracy (%)": scores.mean((1, 2)),
            "binomial part": 100 * np.sqrt(parts.binomial),
            "between episodes": 100 * np.sqrt(parts.between),
            "between seeds": np.sqrt(crossed.seeds),
        }
        steps = f"0 to {shown[-1]}" if len(shown) == shown[-1] + 1 else " ".join(map(str, shown))
        run = {"run": f"{cell.method}: {cell.described}", "test episodes": wording.episodes(cell), "after steps": steps}
        yield run | {name: _list_text(values) for name, values in parts_in_points.items()}


def _compatibilities(cells: Sequence[Cell], claims: Sequence[Claim]) -> list[Row]:
    """One row per claim whose interval implies an SD, if a plausible SD between episodes is known: the test sizes that
    are consistent with it, and those that are not."""
    low, high = (100 * end for end in anatomy.TELLING)
    telling = [claim for claim in claims if claim.over_tasks and low <= claim.accuracy <= high]
    found = [(claim, plausible(claim, cells)) for claim in telling]
    return [_compatibility(claim, within) for claim, within in found if within]


def plausible(claim: Claim, cells: Iterable[Cell]) -> Range | None:
    """The range of plausible SDs between episodes, in points, from published results and from our runs of similar
    accuracy; None if there are neither."""
    near = [cell for cell in cells if abs(float(cell.headline.value) - claim.accuracy) < _NEAR]
    within = _PUBLISHED_OF[0] <= claim.accuracy <= _PUBLISHED_OF[1]
    published = _PUBLISHED.get(claim.about.source, ()) if within else ()
    known = [*published, *(end for cell in near for end in _measured_sd(cell))]
    return (min(known), max(known)) if known else None


def _measured_sd(cell: Cell) -> Range:
    """The interval of the SD between episodes, in points, of this cell."""
    episodes, sd = cell.scores.shape[1], cell.scores.var(-1, ddof=1).mean() ** 0.5
    half_width = statistics.CLAIM_Z * sd / episodes**0.5
    low, high = anatomy.between_sd(float(cell.headline.value) / 100, half_width / 100, episodes, cell.queries)
    return 100 * low, 100 * float(np.nan_to_num(high))


def _compatibility(claim: Claim, within: Range) -> Row:
    ways = claim.about.ways
    stated = _test(claim)
    tests = [(n, ways * q) for n, q in product(_EPISODES, _QUERIES)]
    others = {test: _fits(claim, test, within) for test in tests if test not in stated}
    said = [f"{n} × {q}: {_implied_sd(claim, (n, q))}, {_fits(claim, (n, q), within)}" for n, q in stated]
    return {
        "published": _name(claim),
        "implied SD between episodes": "".join(said) or "test unknown",
        "plausible": f"{within[0]:.1f} to {within[1]:.1f}",
        "expected half-width": "".join(_expected_sd(claim, test, within) for test in stated) or wording.NONE,
        "also consistent": ", ".join(_test_text(t) for t, fit in others.items() if fit == "compatible") or wording.NONE,
        "not consistent": ", ".join(f"{_test_text(t)} ({fit})" for t, fit in others.items() if fit != "compatible")
        or wording.NONE,
    }


def _fits(claim: Claim, test: tuple[int, int], within: Range) -> str:
    return anatomy.compatible(_between(claim, test), (within[0] / 100, within[1] / 100))


def _between(claim: Claim, test: tuple[int, int]) -> Range:
    assert claim.ci95 is not None
    decimals = max(len(re.sub(r"^\d*\.?", "", f"{value:g}")) for value in (claim.accuracy, claim.ci95))
    rounding = 0.5 * 10.0**-decimals
    return anatomy.between_sd(claim.accuracy / 100, claim.ci95 / 100, *test, rounding / 100)


def _implied_sd(claim: Claim, test: tuple[int, int]) -> str:
    low, high = _between(claim, test)
    return "less than 0" if high != high else f"{100 * low:.1f} to {100 * high:.1f}"


def _expected_sd(claim: Claim, test: tuple[int, int], within: Range) -> str:
    ends = (100 * anatomy.half_width_of(claim.accuracy / 100, sd / 100, *test) for sd in within)
    return "{:.2f} to {:.2f}".format(*ends)


def _test(claim: Claim) -> list[tuple[int, int]]:
    """[(episodes, queries per episode)] as the claim states them, or [] if it does not."""
    if not claim.tasks or not claim.queries_per_class:
        return []
    return [(claim.tasks, claim.about.ways * claim.queries_per_class)]


def _test_text(test: tuple[int, int]) -> str:
    return f"{test[0]} × {test[1]}"


def _name(claim: Claim) -> str:
    return f"{claim.method}: {claim.number} ({claim.variant})"


def _sd(variance: float) -> str:
    return wording.NONE if variance != variance else f"{variance**0.5:.2f}"


def _list_text(values: Sequence[float]) -> str:
    return wording.NONE if np.isnan(values).all() else " ".join(f"{value:.1f}" for value in values)
