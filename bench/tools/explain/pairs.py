"""Pairs of factors: the interaction of two, beyond the effect of each alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from bench.errors import UserError, unknown_name
from bench.protocols.settings import with_values
from bench.tools.explain.factors import FROM, Comparison, Pair, Variant
from bench.tools.explain.grouping import Factor


def with_pairs(comparison: Comparison, named: Sequence[str]) -> Comparison:
    """The comparison with one more variant for each pair `a+b` of its factors: the start with both changed. Raises
    UserError unless both are factors of the comparison, each with its own variant."""
    alone = {part.factor.name: (part.factor, part.plus) for part in comparison.parts if part.kind == FROM}
    if named and not alone:
        raise UserError("--pair needs --direction from or both: an interaction is measured at the start")
    asked = [_two(text, alone) for text in dict.fromkeys(named)]
    once = [two for k, two in enumerate(asked) if two[::-1] not in asked[:k]]  # b+a is a+b
    found = [_pair(comparison, *two) for two in once]
    variants = (*comparison.variants, *(variant for variant, _ in found))
    return replace(comparison, variants=variants, pairs=tuple(pair for _, pair in found))


def most_apart(comparison: Comparison, effects: Mapping[tuple[str, str], float], count: int) -> list[str]:
    """The `count` pairs of factors that most likely interact, besides those of the comparison: those with the largest
    product of the two factors' sizes. `effects`: (factor, kind) -> value. The size of a factor is the difference
    between its effects in the two directions, which its interactions cause; with one direction only, its effect."""
    sizes: dict[str, float] = {}
    for part in comparison.parts:
        name = part.factor.name
        if part.kind == FROM and name != "iterations" and (name, FROM) in effects:
            sizes[name] = abs(effects[name, FROM] - effects.get((name, "to"), 0.0))
    known = [frozenset(pair.factors) for pair in comparison.pairs]
    new = [two for two in combinations(sizes, 2) if frozenset(two) not in known]
    ranked = sorted(new, key=lambda two: -sizes[two[0]] * sizes[two[1]])
    return ["+".join(two) for two in ranked[:count]]


def _two(text: str, alone: Mapping[str, tuple[Factor, str]]) -> tuple[tuple[Factor, str], tuple[Factor, str]]:
    """The two factors, each with its own variant. The name of a group contains a + itself."""
    splits = [(text[:k], text[k + 1 :]) for k, letter in enumerate(text) if letter == "+"]
    two = next((names for names in splits if set(names) <= alone.keys()), None)
    if two is None or len(set(two)) < 2:
        wrong = next((name for names in splits for name in names if name not in alone), "")
        raise (
            unknown_name("factor of a pair", wrong, alone)
            if wrong
            else UserError(f"--pair {text}: write two factors, as a+b")
        )
    if "iterations" in two:
        raise UserError(
            f"--pair {text}: iterations cannot be in a pair: they are an earlier evaluation of the same training"
        )
    return alone[two[0]], alone[two[1]]


def _pair(comparison: Comparison, one: tuple[Factor, str], other: tuple[Factor, str]) -> tuple[Variant, Pair]:
    start, end = comparison.start, comparison.end
    values = {name: end.values[name] for factor, _ in (one, other) for name in factor.settings}
    name = f"{start.name} with {end.name}'s {one[0].name} and {other[0].name}"
    variant = Variant(name, start.name, with_values(start.protocol, values))
    return variant, Pair((one[0].name, other[0].name), name, (one[1], other[1]), start.name)
