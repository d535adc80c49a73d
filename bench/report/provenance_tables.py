"""Where the rows of a report come from: how their protocol differs from the paper's, and what they were made with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from bench.analysis.cells import Cell, Pair
from bench.analysis.sections import Section
from bench.protocols.presets import MEANINGS, paper, protocol_differences, value_text
from bench.report import cost, wording
from bench.report.tables import Row, Table


def tables(section: Section) -> list[Table]:
    """The tables that have rows: the protocols, and one row for all seeds of a result that were made in the same
    way."""
    found = {
        "what differs from the paper's protocol": [row for cell in section.cells for row in _protocol(cell)],
        "provenance, and the exact command of every row": [row for cell in section.cells for row in _made(cell)],
    }
    return [Table(f"{section.title}: {caption}", tuple(rows), folded=True) for caption, rows in found.items() if rows]


def _protocol(cell: Cell) -> Iterator[Row]:
    if cell.predicted:
        return
    theirs = paper(cell.benchmark)
    for name, (ours, wanted) in protocol_differences(cell.settings, cell.protocol, theirs).items():
        if name not in MEANINGS:  # the protocol's name already tells
            changed = {"setting": name, "here": value_text(ours), "paper": value_text(wanted)}
            yield {"method": cell.method} | changed | {"protocol": cell.described}


def _made(cell: Cell) -> Iterator[Row]:
    def facts(run: Pair) -> Row:
        return _facts(cell, run)

    for made, runs in groupby(sorted(cell.runs, key=lambda run: str(facts(run))), facts):
        together = list(runs)
        seeds = ", ".join(str(record.seed) for record, _ in together)
        hours = sum(cost.seconds(record) for record, _ in together) / 3600
        result = {"method": cell.method, "seed": seeds, "command": _commands(together), "hours": f"{hours:.2f}"}
        yield result | made | {"protocol": cell.described}


def _facts(cell: Cell, run: Pair) -> Row:
    """What is the same for seeds that were made in the same way."""
    record, evaluated = run
    environment, execution = record.info["environment"], record.info["execution"]
    packages = environment.get("packages", {})
    return {
        "code": _code(environment),
        "machine": _joined(
            environment.get("gpu") or environment.get("processor"),
            environment.get("platform"),
            f"Python {environment.get('python')}, torch {packages.get('torch')}",
        ),
        "executed": _joined(*(f"{name} {value_text(execution[name])}" for name in _EXECUTED if name in execution)),
        "data": f"{wording.data(cell)}; test episodes, digest {evaluated.info['episodes_digest'][:8]}",
    }


def _code(environment: Mapping[str, Any]) -> str:
    """The commit, or without one the version and the digest of the sources."""
    if commit := environment.get("commit"):
        return f"commit {str(commit)[:12]}{' (changed)' * bool(environment.get('dirty'))}"
    version, sources = (environment.get("packages") or {}).get("few-shot-bench"), environment.get("sources")
    return _joined(version and f"version {version}", sources and f"sources {str(sources)[:12]}")


_EXECUTED = ("device", "mode", "chunk", "threads", "deterministic")


def _commands(runs: Iterable[Pair]) -> str:
    """Each command once: the one that trained, and the one that evaluated if that was another."""
    typed = [text for record, found in runs for text in (record.info.get("command"), found.info.get("command"))]
    return "\n".join(dict.fromkeys(filter(None, typed))) or wording.NONE


def _joined(*parts: Any) -> str:
    return ", ".join(str(part) for part in parts if part) or wording.NONE
