"""`list`: every published number, and the protocol that it belongs to."""

from __future__ import annotations

from bench.analysis.claims_file import published
from tests.conftest import Command


def test_every_claim_stands_in_a_line_with_its_protocol(bench: Command) -> None:
    listed = bench("list", "--claims")
    lines = listed.stdout.splitlines()
    assert listed.returncode == 0 and len(lines) == len(published())
    of_paper = [line.split() for line in lines if line.split()[:2] == ["omniglot-20w5s", "maml"] and "98.90" in line]
    assert of_paper == [
        [
            "omniglot-20w5s",
            "maml",
            "98.90",
            "±",
            "0.20",
            "paper",
            *["Finn", "et", "al.", "2017", "Table", "1", "(paper)"],
        ]
    ]
    sd = next(line for line in lines if line.split()[:2] == ["omniglot-20w1s", "nil"])
    assert "96.70 ± 0.30 (SD of 3 trainings)" in sd and " - " in sd


def test_list_has_those_whose_protocol_is_here_and_counts_the_others(bench: Command) -> None:
    told = bench("list").stdout.partition("published numbers")[2].partition("\ndata\n")[0].splitlines()[1:]
    known = [claim for claim in published() if claim.protocol]
    assert len(told) == len(known) + 1 and f"and {len(published()) - len(known)} whose protocol is not" in told[-1]
