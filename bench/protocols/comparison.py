"""Protocols with the source of every value, as rows of tables: a protocol in full, or the differences between two."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.protocols.benchmarks import Benchmark
from bench.protocols.citation import Citation
from bench.protocols.preset_sources import sources
from bench.protocols.presets import nearest_preset, preset, value_text
from bench.protocols.protocol import Protocol
from bench.protocols.settings import settings_of, with_settings

_SET = Citation("--set")


@dataclass(frozen=True)
class Sourced:
    """A named protocol on a benchmark, possibly with changed settings. `sources`: setting -> source."""

    name: str
    protocol: Protocol
    sources: Mapping[str, Citation]

    @property
    def values(self) -> dict[str, Any]:
        """Setting -> value."""
        return settings_of(self.protocol)

    def value_text(self, setting: str) -> str:
        """The value in the form that `--set` accepts, marked if it is assumed."""
        return value_text(self.values[setting]) + " (assumed)" * self.sources[setting].assumed

    def origin(self, setting: str) -> str:
        """The source, followed by the value in the source if it was converted."""
        source = self.sources[setting]
        return f"{source}: {source.own}" if source.own else str(source)


def with_sources(name: str, benchmark: Benchmark, settings: Iterable[str] = (), used: Collection[str] = ()) -> Sourced:
    """The preset for a method that uses the settings `used`, with `name=value` changes, whose source is `--set`. Raises
    UserError."""
    base = preset(name, benchmark, used)
    changed = with_settings(base, settings)
    values, known = settings_of(changed), sources(name, benchmark, used)
    before = settings_of(base)
    return Sourced(name, changed, {n: known[n] if values[n] == before[n] else _SET for n in values})


def assumed_settings(benchmark: Benchmark, protocol: Protocol) -> list[str]:
    """The settings of a run whose values are only assumed by its nearest preset."""
    nearest = with_sources(nearest_preset(benchmark, protocol.training), benchmark)
    values = settings_of(protocol)
    return [name for name, source in nearest.sources.items() if source.assumed and values[name] == nearest.values[name]]


def every_setting(one: Sourced) -> list[dict[str, str]]:
    """One row per setting: its value, the value in the source if it was converted, and the source."""
    return [
        {
            "setting": name,
            "value": one.value_text(name),
            "in the source": one.sources[name].own,
            "source": str(one.sources[name]),
        }
        for name in one.values
    ]


def different_settings(one: Sourced, other: Sourced) -> list[dict[str, str]]:
    """One row per setting that differs: both values, each with its source; empty if nothing differs."""
    names = [name for name, value in one.values.items() if value != other.values[name]]
    one_name, other_name = (one.name, other.name) if one.name != other.name else (f"{one.name} (1)", f"{one.name} (2)")
    return [
        {
            "setting": name,
            one_name: one.value_text(name),
            other_name: other.value_text(name),
            f"source of {one_name}": one.origin(name),
            f"source of {other_name}": other.origin(name),
        }
        for name in names
    ]
