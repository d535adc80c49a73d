"""The factors in which two protocols differ: which settings are changed together."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bench.errors import UserError, unknown_name
from bench.protocols.presets import Used, protocol_differences
from bench.protocols.protocol import FINE_TUNING, Protocol

# Settings that only make sense together are one factor: a rate for five inner steps does not suit a single step.
GROUPS: dict[str, tuple[str, ...]] = {
    "inner_loop": ("inner_lr", "inner_steps"),
    "network": ("filters", "downsampling", "head_input"),
    "batch_norm": ("batch_norm_scale", "batch_norm_gamma", "batch_norm_adapted", "batch_norm_epsilon"),
    "batch_statistics": ("batch_statistics", "evaluation.batch_statistics"),
    "rotations": ("rotations", "evaluation.rotations"),
    "fine_tuning": FINE_TUNING,
}


@dataclass(frozen=True)
class Factor:
    """Settings that are changed together."""

    name: str
    settings: tuple[str, ...]


def between(
    used: Used, ignored: Collection[str], start: Protocol, end: Protocol, groups: Sequence[str] = ()
) -> list[Factor]:
    """The factors in which two protocols differ for this method, without the settings it ignores. The number of test
    episodes is none of them: it affects only the interval. Raises UserError if a group names something that does not
    differ, or a setting twice."""
    differ = [name for name in protocol_differences(used, start, end) if name not in {"episodes", *ignored}]
    group = {name: key for key, names in GROUPS.items() for name in names} | _group_of_setting(groups, differ)
    found: dict[str, list[str]] = {}
    for name in differ:
        found.setdefault(group.get(name, name), []).append(name)
    return [Factor(name, tuple(settings)) for name, settings in found.items()]


def choose(factors: list[Factor], readings: Sequence[str], wanted: Sequence[str]) -> list[Factor]:
    """The factors that the user named, directly or by one of their settings; all if none was named. Raises UserError
    for a name that is neither a factor nor a reading."""
    by_name = {name: Factor(name, (name,)) for factor in factors for name in factor.settings}
    by_name |= {factor.name: factor for factor in factors}
    for name in wanted:
        if name not in by_name and name not in readings:
            raise unknown_name("factor", name, {*by_name, *readings})
    return [by_name[name] for name in dict.fromkeys(wanted) if name in by_name] if wanted else factors


def _group_of_setting(groups: Sequence[str], differ: Sequence[str]) -> dict[str, str]:
    """Setting -> the group that the user put it in."""
    known: dict[str, tuple[str, ...]] = {name: (name,) for name in differ}
    known |= {key: here for key, names in GROUPS.items() if (here := tuple(n for n in names if n in differ))}
    found: dict[str, str] = {}
    for text in groups:
        for part in text.split("+"):
            if part not in known:
                raise unknown_name("factor of a group", part, known)
            for name in known[part]:
                if name in found:
                    raise UserError(f"--group {text}: {name} is already in a group")
                found[name] = text
    return found
