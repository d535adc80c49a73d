"""Phrases for the facts of a report, shared by all its formats."""

from __future__ import annotations

from math import isfinite

from bench.analysis.cells import Cell, iteration_range
from bench.analysis.claims import Claim
from bench.errors import numbered_seeds
from bench.protocols.benchmarks import FUNCTIONS
from bench.protocols.measures import Measure
from bench.records.choices import grid_of

NONE = "–"
# What an interval covers: name in `statistics` -> name in a report.
_KINDS = {"both": "episodes + seeds", "over episodes": "episodes", "over seeds": "seeds"}
_KINDS |= {"for these models": "these weights only"}
BATCH_NORM = {"batch": "batch (transductive)", "support": "support (inductive)", "running": "running (inductive)"}
BATCH_NORM |= {"support+query": "support and one query (inductive)"}
BATCH_NORM |= {"episode": "support and queries together (transductive)"}
EFFECT_KINDS = """\
One factor is changed at a time: "from" changes it in the start, "to" undoes it in the end. Factors interact, so the
parts need not add up to the gap: the "rest" is what they leave, with its own interval, and a "pair" is the effect of
two factors at once minus the sum of each alone. A "reading" is not part of the gap: where a source says two things, it
is the effect of the other one.
"""


def batch_norm(cell: Cell) -> str:
    """Which statistics batch norm uses, if the network has it."""
    unknown = cell.predicted or cell.benchmark.form == FUNCTIONS
    return NONE if unknown else BATCH_NORM[cell.evaluated.evaluation.batch_statistics]


def kind(name: str) -> str:
    """What an interval covers, in words."""
    return _KINDS.get(name, name)


def near_bound(measure: Measure) -> str:
    """The warning about intervals near a bound; docs/statistics.md has the simulations."""
    low, high = measure.shown_bounds
    place, inside = (f"at {low:g}", f"above {low:g}")
    if isfinite(high):
        place, inside = f"within a point of {low:g} or {high:g}", f"inside [{low:g}, {high:g}]"
    covers = "intervals, and the crossed bootstrap too, contain the truth less often than 95 %"
    return f"{place}, where with few seeds {covers}; they are drawn only {inside}"


def at_edge(cell: Cell) -> str:
    """What was chosen at an edge, such as `seed 2: greatest lr; seed 3: last step`; empty if nothing was."""
    return "; ".join(f"seed {seed}: {words}" for seed, words in cell.edges.items())


def grid(cell: Cell) -> str:
    """The candidates tried on validation episodes, and the one that was tested; empty if there was no grid."""
    found = next((grid for _, evaluated in cell.runs if (grid := grid_of(evaluated.info))), None)
    if found is None:
        return ""
    chosen, scores = found
    listed = ", ".join(f"{name} {'diverged' if s is None else cell.measure.written(s)}" for name, s in scores.items())
    return f"{chosen} had the best mean score on validation episodes, and only it was tested ({listed})"


def source(claim: Claim) -> str:
    """The source of a claim, with the variant if the source has several."""
    return f"{claim.source} ({claim.variant})" if claim.variant else claim.source


def seeds(cell: Cell) -> str:
    """The number of seeds, and those missing because they diverged; no number if the weights were trained elsewhere."""
    if cell.predicted:
        return f"{len(cell.seeds)}, trained elsewhere"
    if cell.origin:
        return "not trained here"
    lost = f" ({numbered_seeds(cell.diverged)} diverged)" if cell.diverged else ""
    return f"{len(cell.seeds)}{lost}"


def counted_seeds(cell: Cell) -> str:
    """The seeds in running text, such as `3 seeds`."""
    if cell.predicted or cell.origin:
        return seeds(cell)
    return f"{len(cell.seeds)} seed{'s' * (len(cell.seeds) > 1)}"


def iterations(cell: Cell) -> str:
    """The iterations evaluated, out of how many if training went on; a dash if the number is not known."""
    if cell.predicted or (cell.origin and cell.origin.get("iterations", cell.iterations) is None):
        return NONE
    full = cell.record.training.iterations
    return (
        iteration_range(cell.iterations)
        if cell.iterations == (full,)
        else f"{iteration_range(cell.iterations)} of {full}"
    )


def episodes(cell: Cell) -> str:
    """The test episodes, such as `600 × 25 queries`."""
    return f"{cell.scores.shape[1]} × {cell.queries} queries"


def data(cell: Cell) -> str:
    """The copy of the data: the published one that it equals, or its name and digest, followed by its remarks."""
    found = cell.data
    part = "a part of " * bool(found["partial"])
    remarks = "".join(f"; {text}" for text in found.get("remarks") or ())
    return f"{part}{found['known_as'] or found['name']}, digest {found['digest'][:8]}{remarks}"


def ends(interval: tuple[float, float], form: str = ".2f") -> str:
    """`62.19 to 64.03`, or a dash if there is no interval."""
    low, high = interval
    return NONE if low != low else f"{low:{form}} to {high:{form}}"


def gain(later: Cell, earlier: Cell) -> str:
    """The gain from further iterations, such as `maml at 75000 − at 60000 iterations`."""
    return (
        f"{later.method} at {iteration_range(later.iterations)} − at {iteration_range(earlier.iterations)} iterations"
    )


def p_value(p: float) -> str:
    """A p-value with two digits, or a dash if there is none."""
    return NONE if p != p else "< 0.0001" if p < 1e-4 else f"{p:.2g}"
