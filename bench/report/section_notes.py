"""Notes below a section's tables."""

from __future__ import annotations

from bench.analysis.sections import Section
from bench.report import wording

_DEPENDENT = (
    "With transductive batch norm the queries of an episode depend on one another, so the anatomy is an approximation."
)


def notes(section: Section) -> list[str]:
    """One line each: nothing published, dependent queries, intervals near a bound, choices at an edge, and runs without
    scores."""
    unknown = [] if section.claims else ["No published number is known for this benchmark, so nothing is judged."]
    counted = section.benchmark.measure.counted
    modes = {cell.evaluated.evaluation.batch_statistics for cell in section.cells}
    batch = counted and not modes.isdisjoint({"batch", "episode"})
    bound = wording.near_bound(section.benchmark.measure)
    near = [f"{cell.method}, {cell.described}: {bound}." for cell in section.cells if cell.near_bound]
    edges = [
        f"{cell.method}, {cell.described}: chosen on validation at the edge of the range "
        f"({wording.at_edge(cell)}): beyond it might be better, which also affects every comparison with it."
        for cell in section.cells
        if cell.edges
    ]
    tried = [f"{cell.method}, {cell.described}: {wording.grid(cell)}." for cell in section.cells if wording.grid(cell)]
    return [*unknown, *([_DEPENDENT] if batch else []), *near, *tried, *edges, *section.outcomes]
