"""Lists methods, benchmarks and data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from bench.analysis.claims import Claim
from bench.analysis.claims_file import every_claim, published_claims
from bench.data import listing, sources
from bench.data.remarks import remarks
from bench.data.sinusoids import SINUSOIDS
from bench.data.splits import some
from bench.protocols import experiments, presets
from bench.protocols.benchmarks import BENCHMARKS, BUILT_IN, Benchmark, Shape, get, of_record, place
from bench.protocols.known_methods import built_in_methods, offered_methods

_PROTOCOL = 2 + max(map(len, presets.PRESETS))  # width of the column of names


def everything(data_dir: Path | None) -> list[str]:
    """Methods, benchmarks with their shapes and protocols, and the data that are here."""
    methods = [f"  {name:<12}{_in_short(text)}" for name, text in built_in_methods().items()]
    methods += [f"  {name:<12}from an installed package" for name in offered_methods()]
    shapes = [_benchmark(benchmark) for benchmark in BENCHMARKS.values()]
    own = listing.own_shapes(data_dir)
    shapes += [_any(data, benchmark.input_shape, benchmark.source) for data, benchmark in BUILT_IN.items()]
    shapes += [_any(data, shape, data) for data, shape in own.items()]
    protocols = [f"  {name:<{_PROTOCOL}}{_in_short(preset.__doc__ or '')}" for name, preset in presets.PRESETS.items()]
    named = [f"  {name:<24}{experiments.read(name).about}" for name in experiments.shipped_experiments()]
    return [
        *("methods", *methods),
        *("benchmarks", *shapes),
        *("protocols", *protocols),
        *("experiments, for `run --file`", *named),
        *("published numbers whose protocol is known here, by protocol", *_judgeable()),
        *("data", *data_sets(data_dir), *_generated_files()),
    ]


def claims(results: Path, data_dir: Path | None) -> list[str]:
    """Every published number on one line, those of the user's claims file in the results folder too, by benchmark, with
    its protocol, the hours of training that a verdict would cost on this machine, and its source."""
    from bench.records.record import read_all  # imports torch, which nothing else here needs
    from bench.tools import claim_costs

    records = read_all(results)[0] if results.is_dir() else []
    own = listing.own_shapes(data_dir)
    known = [*(of_record(record.info) for record in records), *(get(f"{data}-5w1s", own) for data in own)]
    timed = claim_costs.of_this_machine(records)
    ordered = sorted(every_claim(results, None, known), key=lambda claim: (place(claim.benchmark), claim.method))
    return [_claim(claim, f"{claim_costs.hours(claim, timed) or '-':<10}") for claim in ordered]


def _judgeable() -> list[str]:
    known = [claim for claim in published_claims() if claim.protocol]
    others = f"{len(published_claims()) - len(known)} with unknown protocol"
    return [*map(_claim, known), f"  and {others}: `list --claims` lists each of them, with what it costs"]


def _claim(claim: Claim, cost: str = "") -> str:
    said = f"{claim.source} ({claim.variant})" if claim.variant else claim.source
    which = f"{claim.benchmark:<18}{claim.method:<21}{claim.number:<35}{claim.protocol or '-':<{_protocol_width()}}"
    return f"  {which}{cost}{said}"


@cache
def _protocol_width() -> int:
    """Width of the column of the claims' protocols, some of which have settings after the name."""
    return 2 + max(len(claim.protocol) for claim in published_claims())


def _generated_files() -> list[str]:
    return [f"  {SINUSOIDS.name:<16}generated: {SINUSOIDS.known_as}"]


def data_sets(data_dir: Path | None) -> list[str]:
    """One line per data set."""
    return [_data_set(found) for found in listing.available(data_dir)]


def manifest(found: Mapping[str, Any]) -> list[str]:
    """A description of data that were just prepared."""
    named = found["known_as"] or f"{found['source']['kind']}: every record and report names the digest"
    part = " (some classes are missing)" if found["partial"] else ""
    replaced = f" the data with digest {found['replaced']}" if found["replaced"] else ""
    counts = ", ".join(f"{count} {split}" for split, count in found["counts"].items())
    lines = [
        f"{found['status']}{replaced}: {found['name']}{part}",
        f"{found['shape'][0]} images of {len(found['classes'])} classes ({counts}), {named}",
        f"digest {found['digest']}",
    ]
    lines += [f"missing: {'; '.join(found['missing'])}"] if found["missing"] else []
    lines += [f"not decoded: {len(found['corrupt'])}: {', '.join(found['corrupt'])}"] if found["corrupt"] else []
    names = [c["name"] for c in found["classes"]]
    lines.insert(2, f"classes: {some(names, 5)}")
    kinds = ", ".join(f"{count} {kind}" for kind, count in found["identical"]["kinds"].items() if count)
    lines += [f"byte-identical images: {kinds}"] if kinds else []
    lines += [f"  {' = '.join(group)}" for group in found["identical"]["groups"]]
    unknown = found["name"] in sources.NAMES and not found["known_as"]
    return [*lines, *map(_note, remarks(found)), *([_note(sources.UNKNOWN_COPY)] if unknown else [])]


def _note(text: str) -> str:
    return f"note: {text}"


def _benchmark(benchmark: Benchmark) -> str:
    training = presets.paper(benchmark).training
    return (
        f"  {benchmark.name:<18}{benchmark.described}, {benchmark.source}; paper: {training.iterations} iterations of "
        f"{training.meta_batch} episodes, quick: {presets.quick(benchmark).training.iterations}"
    )


def _any(data: str, shape: Shape, source: str) -> str:
    channels, height, width = shape
    return f"  {data}-<ways>w<shots>s: any number of ways and shots, {height}x{width}x{channels}, {source}"


def _data_set(found: Mapping[str, Any]) -> str:
    if not found["here"]:
        problem = found["problem"] or f"not here: {sources.command(found['source'])}"
        return f"  {found['source']:<16}{problem}"
    counts = ", ".join(f"{count} {split}" for split, count in found["counts"].items())
    named = sources.copy_name(found["source"], found["digest"], found["known_as"])
    where = "embedded" if found["embedded"] else found["where"]
    part = "a part of it, " if found["partial"] else ""
    noted = "".join(f"{text}; " for text in found["remarks"])
    return f"  {found['source']:<16}{part}{found['images']} images; classes: {counts}; {named}; {noted}{where}"


def _in_short(docstring: str) -> str:
    """The first sentence or clause of a docstring; what is in brackets stays whole."""
    first = re.match(r"(\([^()]*\)|(?<=et al)\.|[^.;]|[.;](?!\s|$))*", " ".join(docstring.split()))
    return first[0] if first else ""
