"""The source of every value of the named protocols: a `Citation` for each setting of each preset.

Values that no source gives are assumed, are marked wherever they are shown, and count as unknown when a claim is
judged."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bench.protocols.benchmarks import Benchmark
from bench.protocols.citation import Citation, Citations
from bench.protocols.papers import finn_sources
from bench.protocols.presets import PAPERS, choices
from bench.protocols.presets import preset as preset_of

_WIDE = Citation("this project: a wide choice, for a fair chance")


def sources(preset: str, benchmark: Benchmark, used: Collection[str] = ()) -> Mapping[str, Citation]:
    """Setting, by its `--set` name -> source, for a method that uses the settings `used`. Raises UserError, with a
    suggestion."""
    preset_of(preset, benchmark)  # raises UserError for an unknown preset
    of = PAPERS[preset].sources if preset in PAPERS else _quick
    return of(benchmark) | dict.fromkeys(choices(preset, benchmark, used), _WIDE)


def assumed_settings(preset: str, benchmark: Benchmark) -> frozenset[str]:
    """The settings that this preset assumes."""
    return frozenset(name for name, source in sources(preset, benchmark).items() if source.assumed)


def _quick(benchmark: Benchmark) -> Citations:
    smaller = ("iterations", "validations", "validation_episodes", "episodes")
    return finn_sources.sources(benchmark) | dict.fromkeys(smaller, Citation("this project: what a laptop can run"))
