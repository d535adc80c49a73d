"""The effect of each factor between two protocols on the scores, paired on seeds and test episodes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.analysis import paired_tests
from bench.tools.explain.factors import FROM, READING, TO, Comparison, Pair

Scores = Mapping[str, Mapping[int, np.ndarray]]  # variant -> seed -> [episodes], in the unit shown
GAP, SUM, REST, PAIR = "gap", "sum", "rest", "pair"
LEVEL = 0.05  # an effect with a corrected p below this is significant


@dataclass(frozen=True)
class Effect:
    """A weighted difference of variants. `kind`: FROM, TO, READING, PAIR, or GAP, SUM, REST; `paired` is None if no
    seed has scores in all of them."""

    name: str
    kind: str
    change: str
    difference: str
    seeds: tuple[int, ...]
    episodes: int
    paired: paired_tests.Paired | None
    holm: float = math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval, in the unit shown; NaN if there is none."""
        if self.paired is None:
            return math.nan, math.nan
        low, high = self.paired.difference.interval()
        return float(low), float(high)

    @property
    def significant(self) -> str:
        """Whether the effect is significant, `yes` or `no`; empty if it has no corrected p."""
        return "" if math.isnan(self.holm) else "yes" if self.holm < LEVEL else "no"


def effects(comparison: Comparison, scores: Scores) -> list[Effect]:
    """The gap; each factor, largest effect first, with their sum and the rest of the gap; the interactions of pairs of
    factors; and the readings."""
    start, end = comparison.start.name, comparison.end.name
    gap = _effect(f"{end} - {start}", GAP, "everything", {end: 1, start: -1}, scores)
    parts = [
        _effect(part.factor.name, part.kind, part.change, {part.plus: 1, part.minus: -1}, scores)
        for part in comparison.parts
    ]
    parts += [_of_pair(pair, scores) for pair in comparison.pairs]
    parts = sorted(_correct_p_values(parts), key=lambda effect: -_size(effect))
    rows = [gap]
    for kind in (FROM, TO):
        mine = [part for part in comparison.parts if part.kind == kind]
        rows += [effect for effect in parts if effect.kind == kind]
        rows += _sum_up(comparison, kind, [(part.plus, part.minus) for part in mine], scores) if mine else []
    return rows + [effect for kind in (PAIR, READING) for effect in parts if effect.kind == kind]


def values(found: Sequence[Effect]) -> dict[tuple[str, str], float]:
    """(name, kind) -> value, for the effects that have one."""
    return {(e.name, e.kind): float(e.paired.difference.value) for e in found if e.paired is not None}


def _of_pair(pair: Pair, scores: Scores) -> Effect:
    one, other = pair.factors
    weights = {pair.both: 1, pair.alone[0]: -1, pair.alone[1]: -1, pair.base: 1}
    return _effect(f"{one} x {other}", PAIR, "both at once, minus what each does alone", weights, scores)


def _effect(name: str, kind: str, change: str, weights: Mapping[str, int], scores: Scores) -> Effect:
    """The weighted sum of variants, on their common seeds and first common test episodes."""
    used = {variant: weight for variant, weight in weights.items() if weight}
    seeds = sorted(set.intersection(*(set(scores[variant]) for variant in used))) if used else []
    signed = [f"{'+' if weight > 0 else '-'} {variant}" for variant, weight in used.items()]
    difference = " ".join(signed).removeprefix("+ ")
    if not seeds:
        return Effect(name, kind, change, difference, (), 0, None)
    episodes = min(len(scores[variant][seed]) for variant in used for seed in seeds)
    weighted = [w * np.stack([scores[variant][seed][:episodes] for seed in seeds]) for variant, w in used.items()]
    found = np.sum(weighted, axis=0)
    paired = paired_tests.paired_difference(found, np.zeros_like(found))
    return Effect(name, kind, change, difference, tuple(seeds), episodes, paired)


def _sum_up(comparison: Comparison, kind: str, parts: Sequence[tuple[str, str]], scores: Scores) -> list[Effect]:
    weights: dict[str, int] = {}
    for plus, minus in parts:
        weights[plus] = weights.get(plus, 0) + 1
        weights[minus] = weights.get(minus, 0) - 1
    total = _effect("sum of the parts", SUM, f"every factor of kind {kind}", weights, scores)
    left = {variant: -weight for variant, weight in weights.items()}
    left[comparison.end.name] = left.get(comparison.end.name, 0) + 1
    left[comparison.start.name] = left.get(comparison.start.name, 0) - 1
    why = "interaction of the factors" if comparison.whole else "interaction, and the factors not asked for"
    return [total, _effect("rest of the gap", REST, why, left, scores)]


def _correct_p_values(parts: Sequence[Effect]) -> list[Effect]:
    p_values = {k: part.paired.p_value for k, part in enumerate(parts) if part.paired is not None}
    tested = [k for k, p in p_values.items() if not math.isnan(p)]
    corrected = dict(zip(tested, paired_tests.holm([p_values[k] for k in tested]), strict=True))
    return [replace(part, holm=corrected.get(k, math.nan)) for k, part in enumerate(parts)]


def _size(effect: Effect) -> float:
    return -math.inf if effect.paired is None else abs(float(effect.paired.difference.value))
