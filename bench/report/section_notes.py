"""Notes below a section's tables."""

from __future__ import annotations

from bench.analysis.sections import Section
from bench.protocols.presets import QUERIES_BY_CLASS
from bench.report import wording

_DEPENDENT = (
    "With transductive batch norm the queries of an episode depend on one another, so the anatomy is an approximation."
)
_BY_CLASS = (
    f"{QUERIES_BY_CLASS.capitalize()}: made when an episode's queries were still ordered by class, which changes no "
    "built-in method's score; such runs are never pooled with later ones."
)


def notes(section: Section) -> list[str]:
    """One line each: nothing published, dependent queries, queries by class, intervals near a bound, choices at
    an edge, and runs without scores."""
    unknown = [] if section.claims else ["No published number is known for this benchmark, so nothing is judged."]
    counted = section.benchmark.measure.counted
    modes = {cell.evaluated.evaluation.batch_statistics for cell in section.cells}
    batch = counted and not modes.isdisjoint({"batch", "episode"})
    by_class = any(cell.described.endswith(QUERIES_BY_CLASS) for cell in section.cells)
    bound = wording.near_bound(section.benchmark.measure)
    near = [f"{cell.method}, {cell.described}: {bound}." for cell in section.cells if cell.near_bound]
    edges = [
        f"{cell.method}, {cell.described}: chosen on validation at the edge of the range "
        f"({wording.at_edge(cell)}): beyond it might be better, which also affects every comparison with it."
        for cell in section.cells
        if cell.edges
    ]
    tried = [f"{cell.method}, {cell.described}: {wording.grid(cell)}." for cell in section.cells if wording.grid(cell)]
    return [
        *unknown,
        *([_DEPENDENT] if batch else []),
        *([_BY_CLASS] if by_class else []),
        *near,
        *tried,
        *edges,
        *section.outcomes,
    ]
