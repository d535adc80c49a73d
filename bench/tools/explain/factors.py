"""The variants of two protocols that measure the effect of each factor in which they differ."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.errors import UserError
from bench.protocols.benchmarks import Benchmark
from bench.protocols.comparison import Sourced, with_sources
from bench.protocols.presets import READINGS, VALIDATION, Used, value_text
from bench.protocols.protocol import INNER_LOOP, Protocol
from bench.protocols.settings import with_values
from bench.tools.explain.grouping import Factor, between, choose

FROM, TO, READING = "from", "to", "reading"
DIRECTIONS = {"from": (FROM,), "to": (TO,), "both": (FROM, TO)}


@dataclass(frozen=True)
class Variant:
    """One protocol to run; `at`: evaluated at this iteration, before the end of its training."""

    name: str
    preset: str
    protocol: Protocol
    at: int | None = None


@dataclass(frozen=True)
class FactorEffect:
    """The effect of a factor: the scores of variant `plus` minus those of `minus`, by name. `kind`: FROM, the factor is
    changed in the start; TO, it is undone in the end; READING, the protocols agree on it, but the source of one of them
    can be read in another way."""

    factor: Factor
    kind: str
    change: str
    plus: str
    minus: str


@dataclass(frozen=True)
class Pair:
    """The interaction of two factors: `both`, minus each `alone`, plus `base`, all names of variants."""

    factors: tuple[str, str]
    both: str
    alone: tuple[str, str]
    base: str


@dataclass(frozen=True)
class Comparison:
    """Two protocols on a benchmark and the variants between them; `whole`: no factor was left out."""

    benchmark: Benchmark
    method: str
    start: Sourced
    end: Sourced
    variants: tuple[Variant, ...]
    parts: tuple[FactorEffect, ...]
    whole: bool
    pairs: tuple[Pair, ...] = ()


def compare(
    benchmark: Benchmark,
    method: str,
    names: tuple[str, str],
    settings: Iterable[str] = (),
    wanted: Sequence[str] = (),
    direction: str = "from",
    used: Used = INNER_LOOP,
    groups: Sequence[str] = (),
    ignored: Collection[str] = (),
) -> Comparison:
    """The presets `names`, each with `settings`, and the variants between them. Every variant is evaluated on the
    larger of the two numbers of episodes. `groups`: factors or settings to treat as one, `a+b`; a single name is split
    off. `used`: the settings of some methods that this one uses; `ignored`: those of all others that it does not.
    Raises UserError if nothing differs, or a factor does not."""
    start, end = _of_equal_episodes(*(with_sources(name, benchmark, settings, used) for name in names))
    factors = between(used, ignored, start.protocol, end.protocol, groups)
    readings = [(one, name, value) for one in (start, end) for name, value in _readings(one).items()]
    if not factors:
        raise UserError(f"--from {names[0]} --to {names[1]}: nothing differs on {benchmark.name}")
    chosen = choose(factors, [name for _, name, _ in readings], wanted)
    made = [_Made(start, end, factor) for factor in chosen]
    found = [each.forwards() for each in made if FROM in DIRECTIONS[direction]]
    found += [each.backwards() for each in made if TO in DIRECTIONS[direction]]
    found += [_reading(*reading) for reading in readings if not wanted or reading[1] in wanted]
    ends = [Variant(one.name, one.name, one.protocol) for one in (start, end)]
    variants, parts = zip(*found, strict=True)
    return Comparison(benchmark, method, start, end, (*ends, *variants), parts, set(chosen) >= set(factors))


def _of_equal_episodes(start: Sourced, end: Sourced) -> tuple[Sourced, Sourced]:
    most = max(one.protocol.evaluation.episodes for one in (start, end))
    return tuple(replace(one, protocol=with_values(one.protocol, {"episodes": most})) for one in (start, end))  # type: ignore[return-value]


def _readings(one: Sourced) -> dict[str, Any]:
    """The alternative readings of the preset that differ from its values."""
    return {name: value for name, value in READINGS.get(one.name, {}).items() if one.values[name] != value}


@dataclass(frozen=True)
class _Made:
    """The variants of one factor between two protocols."""

    start: Sourced
    end: Sourced
    factor: Factor

    def forwards(self) -> tuple[Variant, FactorEffect]:
        """The effect from the start: the start with the factor of the end, minus the start."""
        variant = self._crossed(self.start, self.end)
        return variant, FactorEffect(self.factor, FROM, self._change(), variant.name, self.start.name)

    def backwards(self) -> tuple[Variant, FactorEffect]:
        """The effect at the end: the end, minus the end with the factor of the start."""
        variant = self._crossed(self.end, self.start)
        return variant, FactorEffect(self.factor, TO, self._change(), self.end.name, variant.name)

    def _crossed(self, base: Sourced, other: Sourced) -> Variant:
        """One protocol with the factor of the other. Fewer iterations are an earlier evaluation of the same training,
        and more are validated like the other end, so that one training may serve both, unless the best weights are
        evaluated. A training on validation classes has no validation."""
        name = f"{base.name} with {other.name}'s {self.factor.name}"
        at = other.values["iterations"]
        last = self.factor.name == "iterations" and base.protocol.evaluation.weights == "last"
        if last and at < base.values["iterations"]:
            return Variant(name, base.name, base.protocol, at)
        validated_alike = last or "classes" in self.factor.settings
        settings = (*self.factor.settings, *(VALIDATION if validated_alike else ()))
        values = {setting: other.values[setting] for setting in settings}
        return Variant(name, base.name, with_values(base.protocol, values))

    def _change(self) -> str:
        names = self.factor.settings
        changes = [f"{self.start.value_text(name)} -> {self.end.value_text(name)}" for name in names]
        return changes[0] if len(names) == 1 else ", ".join(map(" ".join, zip(names, changes, strict=True)))


def _reading(one: Sourced, name: str, value: Any) -> tuple[Variant, FactorEffect]:
    variant = Variant(f"{one.name} with {name}={value_text(value)}", one.name, with_values(one.protocol, {name: value}))
    change = f"{one.value_text(name)} -> {value_text(value)} ({one.sources[name]})"
    return variant, FactorEffect(Factor(name, (name,)), READING, change, variant.name, one.name)
