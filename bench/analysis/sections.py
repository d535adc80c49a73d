"""The content of a report before it is written: one section per benchmark, with every comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.cells import Cell
from bench.analysis.claims import SEEDS, Claim
from bench.analysis.pairs import Compared, compare_pairs, gains
from bench.analysis.pooling import outcome, pool
from bench.analysis.verdicts import Judgement, judge
from bench.errors import command_line
from bench.protocols.benchmarks import Benchmark, of_record, place
from bench.protocols.known_methods import built_in_methods, offered_methods
from bench.protocols.presets import from_text, milestones
from bench.records.contents import Record


@dataclass(frozen=True, eq=False)
class Section:
    """One benchmark, or a part of its data: its cells, the claims about it, and all comparisons."""

    title: str
    records: tuple[Record, ...]
    cells: tuple[Cell, ...]
    claims: tuple[Claim, ...]
    held: tuple[Judgement, ...]
    pairs: tuple[Compared, ...]
    gains: tuple[Compared, ...]  # later minus earlier iterations of the same trainings

    @property
    def benchmark(self) -> Benchmark:
        """The benchmark, also if only a part of its data was used."""
        if self.cells:
            return self.cells[0].benchmark
        return of_record(self.records[0].info)

    @property
    def outcomes(self) -> list[str]:
        """A line for each run without scores, or without some: diverged, unfinished, not evaluated."""
        return [f"{record.name}: {outcome(record)}" for record in self.records if outcome(record)]

    def held_against(self, cell: Cell) -> list[Judgement]:
        """The comparisons of claims with this cell."""
        return [h for h in self.held if h.cell is cell]


def sections(records: Sequence[Record], claims: Sequence[Claim]) -> tuple[list[Section], list[str]]:
    """One section per benchmark that was run, separately for partial data; and a line for each thing that cannot be
    pooled."""
    cells, problems = pool(records)
    titles = {_title(record) for record in records} | {cell.title for cell in cells}
    return [_section(name, records, cells, claims) for name in sorted(titles, key=place)], problems


def _title(record: Record) -> str:
    """The name of the benchmark, marked if the data are only a part of it."""
    return f"part of {record.benchmark}" if record.info["data"]["partial"] else record.benchmark


def _section(name: str, records: Sequence[Record], cells: Sequence[Cell], claims: Sequence[Claim]) -> Section:
    benchmark = name.removeprefix("part of ")
    mine = tuple(cell for cell in cells if cell.title == name)
    about = [
        claim
        for claim in claims
        if claim.benchmark == benchmark and (name == benchmark or claim.method in {c.method for c in mine})
    ]
    # The claim that the project is about comes first; the others keep the order of their files.
    about.sort(key=lambda claim: not claim.central)
    against = tuple(judge(claim, cell) for claim in about for cell in mine if cell.method == claim.method)
    elsewhere = {record.path for cell in mine for record, _ in cell.runs}  # perhaps trained on another benchmark
    run = tuple(r for r in records if _title(r) == name or r.path in elsewhere)
    return Section(name, run, mine, tuple(about), against, tuple(compare_pairs(mine)), tuple(gains(mine)))


def command(claim: Claim) -> str:
    """The command that would run this claim's protocol; empty if the protocol is unknown. A method that is neither
    built in nor of an installed package needs the file of someone who wrote it."""
    if not claim.protocol:
        return ""
    known = claim.method in built_in_methods() or claim.method in offered_methods()
    asked = ["--method", claim.method if known else f"path/to/{claim.method}.py", "--seeds", SEEDS]
    asked += ["--benchmark", claim.benchmark, "--protocol", claim.preset]
    asked += [word for setting in claim.settings for word in ("--set", setting)]
    full = from_text(claim.protocol, claim.about).training.iterations
    if claim.iterations not in (None, full, *milestones(claim.preset, claim.about, full)):
        asked += ["--iterations", claim.iterations]
    return command_line("run", *asked)
