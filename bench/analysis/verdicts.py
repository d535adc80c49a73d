"""Compares a claim with a cell: the difference, and a verdict or the reasons why there is none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bench.analysis import anatomy, claim_error, statistics, verdict_reasons
from bench.analysis.cells import Cell, iteration_range
from bench.analysis.claims import Claim
from bench.analysis.collapse import collapse_text
from bench.errors import numbered_seeds
from bench.protocols import published_weights
from bench.protocols.benchmarks import Benchmark
from bench.protocols.preset_sources import assumed_settings
from bench.protocols.presets import MEANINGS, from_text, protocol_differences, value_text
from bench.protocols.protocol import Protocol
from bench.protocols.training_shape import with_shape_of
from bench.protocols.usage import length_matters

NOT_JUDGED = "not judged"


@dataclass(frozen=True, eq=False)
class Judgement:
    """The comparison of a claim with a cell. `difference`: ours minus the claim, in points; `reasons`: why it is not
    judged."""

    claim: Claim
    cell: Cell
    reasons: tuple[str, ...]
    difference: float
    interval: tuple[float, float] | None
    smallest_half_width: float | None
    verdict: str
    why: str
    needed: anatomy.Needed = field(default_factory=dict)  # if the verdict is inconclusive


@dataclass(frozen=True)
class PlannedCell:
    """The properties of planned runs that decide whether a claim can be judged by them; a `Cell` has the same
    properties."""

    benchmark: Benchmark
    settings: tuple[str, ...]
    protocol: Protocol
    seeds: tuple[int, ...]
    data: Mapping[str, Any]
    iterations: tuple[int, ...]
    origin: None = None
    code: None = None


def judge(claim: Claim, cell: Cell) -> Judgement:
    """Compares a claim with a cell of the same benchmark and method."""
    reasons = disqualified_by(claim, cell)
    value = float(cell.headline.value) - claim.accuracy
    if reasons:
        return Judgement(claim, cell, tuple(reasons), value, None, None, NOT_JUDGED, "; ".join(reasons))
    return _judge(claim, cell)


def nearest(claims: Sequence[Judgement]) -> Judgement:
    """The claim nearest to a cell: with a known protocol, then with the fewest reasons against a verdict; the first if
    several are equal."""
    return min(claims, key=lambda h: (not h.claim.protocol, len(h.reasons)))


def telling(h: Judgement) -> tuple[bool, int, int, int]:
    """A sort key, the most informative comparison first: judged, then by the number of reasons against it and by how
    much was run."""
    return h.verdict == NOT_JUDGED, len(h.reasons), -len(h.cell.seeds), -max(h.cell.iterations)


def disqualified_by(claim: Claim, cell: Cell | PlannedCell) -> list[str]:
    """All reasons why the claim cannot be judged by this cell, in words."""
    return [
        *_of_collapse(cell),
        *_of_seeds(claim, cell),
        *verdict_reasons.of_claim(claim),
        *_of_data(cell),
        *_of_protocol(claim, cell),
    ]


def same_weights(claim: Claim, cell: Cell | PlannedCell) -> bool:
    """Whether the cell scores the claim's own published weights again: then a single model is judged."""
    known = published_weights.recognise(cell.origin["files"]) if cell.origin else None
    return known is not None and (known.benchmark, known.source) == (claim.benchmark, claim.source)


def _of_collapse(cell: Cell | PlannedCell) -> list[str]:
    """Disqualifies a cell if all seeds collapsed; if some did, that is part of the spread between trainings."""
    if not isinstance(cell, Cell) or cell.collapsed != cell.seeds:
        return []
    return [collapse_text(cell.runs[0][1].final, cell.measure)]


def _of_seeds(claim: Claim, cell: Cell | PlannedCell) -> list[str]:
    if same_weights(claim, cell):
        return []
    if cell.origin and cell.origin.get("predictions"):
        return ["predictions of other code, whose protocol is unknown"]
    if cell.origin:
        return ["weights trained elsewhere, not known to be the claim's"]
    few, n = statistics.FEWEST_SEEDS, len(cell.seeds)
    return [f"{n} seed{'s' * (n > 1)}, but {few} are needed"] if n < few else []


def _of_data(cell: Cell | PlannedCell) -> list[str]:
    source, data = cell.benchmark.source, cell.data
    trained = cell.trained_on if isinstance(cell, Cell) else cell.benchmark
    if (trained.source, trained.classes) != (source, cell.benchmark.classes):
        return [f"trained on the classes of {trained.name}"]
    if data["name"] != source:
        return [f"another data set: {data['name']}, not {source}"]
    return [f"another data set: only some classes of {source}"] if data["partial"] else []


def _of_protocol(claim: Claim, cell: Cell | PlannedCell) -> list[str]:
    """The settings that differ from the claim's, or are unknown. The iteration compared is the evaluated one; the total
    number only if earlier iterations depend on it. The claim's own weights have the claim's iteration. The number of
    test episodes never disqualifies, because the interval reflects it; nor does the order of the queries, which does
    not affect the outputs of any built-in method."""
    if not claim.protocol:
        return [verdict_reasons.PROTOCOL_UNKNOWN]
    if cell.origin and cell.origin.get("predictions"):
        return []  # reported already
    theirs = with_shape_of(cell.benchmark, from_text(claim.protocol, cell.benchmark, cell.settings))
    ours, total = with_shape_of(cell.benchmark, cell.protocol), theirs.training.iterations
    if not length_matters(ours.training, cell.settings):
        ours = replace(ours, training=replace(ours.training, iterations=total))
    assumed = _assumed(claim, cell.benchmark)
    found = protocol_differences(cell.settings, ours, theirs)
    moot = {"episodes"} if cell.code else {"episodes"} | MEANINGS
    differ = [
        f"{name} {value_text(a)}, not {value_text(b)}" for name, (a, b) in found.items() if name not in assumed | moot
    ]
    differ += verdict_reasons.unknown(assumed)
    if same_weights(claim, cell):
        return differ
    return list(dict.fromkeys([*_of_iteration(claim.iterations or total, cell), *differ]))


def against_any_run(claim: Claim) -> list[str]:
    """Why no run of a claim's protocol can be judged against it; empty if one can."""
    if not claim.protocol:
        return [verdict_reasons.PROTOCOL_UNKNOWN]
    return [*verdict_reasons.of_claim(claim), *verdict_reasons.unknown(_assumed(claim, claim.about))]


def _assumed(claim: Claim, benchmark: Benchmark) -> frozenset[str]:
    """The settings of a claim's protocol on this benchmark that only this project assumes."""
    return assumed_settings(claim.preset, benchmark) - {text.partition("=")[0] for text in claim.settings}


def _of_iteration(wanted: int, cell: Cell | PlannedCell) -> list[str]:
    ours = cell.iterations
    return [] if ours == (wanted,) else [f"iterations {iteration_range(ours)}, not {wanted}"]


def _judge(claim: Claim, cell: Cell) -> Judgement:
    assert claim.margin is not None
    half_width, n, one_model, worked_out = claim_error.of_claim(claim, cell.scores, cell.queries)
    published = (claim.accuracy, half_width, n)
    if same := same_weights(claim, cell):
        difference = statistics.difference_of_same_weights(cell.scores[0], *published)
        smallest = statistics.smallest_half_width_of_same_weights(half_width, n)
        needed = anatomy.size_needed_of_same_weights(cell.scores[0], *published, claim.margin)
    else:
        difference = statistics.difference_from_claim(cell.scores, *published, one_model)
        smallest = float(statistics.smallest_half_width(cell.scores, half_width, n, one_model))
        needed = anatomy.size_needed(cell.scores, *published, claim.margin, one_model)
    verdict = str(statistics.verdict(difference, claim.margin))
    needed = needed if verdict == "inconclusive" else {}
    low, high = map(float, difference.interval())
    found = verdict_reasons.why(verdict, difference, claim)
    why = "; ".join([found, *[worked_out] * bool(worked_out), *_beside(cell, same, needed)])
    return Judgement(claim, cell, (), float(difference.value), (low, high), smallest, verdict, why, needed)


def _beside(cell: Cell, same: bool, needed: anatomy.Needed) -> Iterator[str]:
    """Remarks that accompany a verdict."""
    if cell.benchmark.source in verdict_reasons.UNKNOWABLE and cell.protocol.training.split == "random":
        yield verdict_reasons.UNKNOWABLE[cell.benchmark.source]
    if same:
        iterations = iteration_range(cell.iterations)
        yield f"one trained model, so no spread between trainings (weights of iteration {iterations})"
    if cell.collapsed:
        yield f"the mean includes {numbered_seeds(cell.collapsed)}, which collapsed"
    if cell.edges:
        yield f"a setting of the test was chosen at the edge of its range ({numbered_seeds(cell.edges)})"
    if cell.diverged:
        yield f"without {numbered_seeds(cell.diverged)}, which diverged"
    if needed:
        yield verdict_reasons.would_decide(needed)
