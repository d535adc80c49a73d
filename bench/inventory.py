"""What there is: methods, benchmarks and data, in lines."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import presets
from bench.benchmarks import BENCHMARKS, Benchmark
from bench.data import catalogue, store
from bench.data.functions import SINUSOIDS
from methods import METHODS


def everything(data_dir: Path | None) -> list[str]:
    """Methods, benchmarks with their shapes and protocols, and which data are here."""
    methods = [f"  {name:<12}{_first_line(kind)}" for name, kind in METHODS.items()]
    shapes = [_benchmark(benchmark) for benchmark in BENCHMARKS.values()]
    protocols = [f"  {name:<12}{_first_line(preset)}" for name, preset in presets.PRESETS.items()]
    return [
        "methods",
        *methods,
        "benchmarks",
        *shapes,
        "protocols",
        *protocols,
        "data",
        *data_sets(data_dir),
        *_generated(),
    ]


def _generated() -> list[str]:
    return [f"  {SINUSOIDS.name:<16}generated: {SINUSOIDS.known_as}"]


def data_sets(data_dir: Path | None) -> list[str]:
    """A line a data set."""
    return [_data_set(found) for found in store.available(data_dir)]


def manifest(found: Mapping[str, Any]) -> list[str]:
    """What has just been prepared."""
    named = found["known_as"] or "an unknown copy: its digest is recorded and shown in every report"
    part = " (a part of the classes)" if found["partial"] else ""
    replaced = f" what had the digest {found['replaced']}" if found["replaced"] else ""
    lines = [
        f"{found['status']}{replaced}: {found['name']}{part}",
        f"{found['shape'][0]} images of {len(found['classes'])} classes, {named}",
        f"digest {found['digest']}",
    ]
    lines += [f"missing: {'; '.join(found['missing'])}"] if found["missing"] else []
    lines += [f"not decoded: {', '.join(found['corrupt'])}"] if found["corrupt"] else []
    kinds = ", ".join(f"{count} {kind}" for kind, count in found["identical"]["kinds"].items() if count)
    lines += [f"byte-identical images: {kinds}"] if kinds else []
    return lines + [f"  {' = '.join(group)}" for group in found["identical"]["groups"]]


def _benchmark(benchmark: Benchmark) -> str:
    training = presets.paper(benchmark).training
    return (
        f"  {benchmark.name:<18}{benchmark.described}, "
        f"{benchmark.source}; paper: {training.iterations} iterations of {training.meta_batch} episodes, "
        f"quick: {presets.quick(benchmark).training.iterations}"
    )


def _data_set(found: Mapping[str, Any]) -> str:
    if not found["here"]:
        problem = found["problem"] or f"not here: {catalogue.command(found['source'])}"
        return f"  {found['source']:<16}{problem}"
    counts = ", ".join(f"{count} {split}" for split, count in found["counts"].items())
    named = found["known_as"] or f"an unknown copy ({found['digest'][:12]})"
    where = "embedded" if found["embedded"] else found["where"]
    part = "a part of it, " if found["partial"] else ""
    return f"  {found['source']:<16}{part}{found['images']} images; classes: {counts}; {named}; {where}"


def _first_line(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").splitlines()[0]
