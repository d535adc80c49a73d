"""`list`: every published number, and its protocol."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from bench.analysis.claims_file import published_claims
from bench.records.record import read_all
from bench.tools import claim_costs, inventory
from tests.conftest import Command
from tests.report.synthetic import write_run


def test_every_claim_stands_in_a_line_with_its_protocol(bench: Command) -> None:
    listed = bench("list", "--claims")
    lines = listed.stdout.splitlines()
    assert listed.returncode == 0 and len(lines) == len(published_claims())
    of_paper = [line.split() for line in lines if line.split()[:2] == ["omniglot-20w5s", "maml"] and "98.90" in line]
    assert of_paper == [
        [
            "omniglot-20w5s",
            "maml",
            "98.90",
            "±",
            "0.20",
            "paper",
            *(of_paper[0][6], "h"),
            *["Finn", "et", "al.", "2017", "Table", "1", "(paper)"],
        ]
    ]
    assert re.fullmatch(r"~[\d,.]+", of_paper[0][6])
    sd = next(line for line in lines if line.split()[:2] == ["omniglot-20w1s", "nil"])
    assert "96.70 ± 0.30 (SD of 3 trainings)" in sd and re.search(" - +- +", sd)


def test_columns_stay_apart_and_no_bracket_stays_open() -> None:
    lines = inventory.everything(None)
    with_settings = [claim for claim in published_claims() if claim.settings]
    assert with_settings
    for claim in with_settings:
        assert any(f" {claim.protocol}  {claim.source} (" in re.sub(" {2,}", "  ", line) for line in lines), claim
    assert all(line.count("(") == line.count(")") for line in lines[: lines.index("data")])


def test_what_a_claim_costs(tmp_path: Path) -> None:
    """From the number of operations if there is no record; otherwise from the longest training on this machine."""
    paper, snell, chen = (
        next(c for c in published_claims() if (c.benchmark, c.method, c.protocol) == wanted)
        for wanted in (
            ("omniglot-20w5s", "maml", "paper"),
            ("omniglot-5w1s", "protonet", "snell"),
            ("omniglot-5w5s", "finetune", "chen"),
        )
    )
    rough = {c.protocol: claim_costs.hours(c, []) for c in (paper, snell, chen)}
    hours = {name: float(text.strip("~ h").replace(",", "")) for name, text in rough.items()}
    assert hours["paper"] > 5 * hours["snell"] > 10 * hours["chen"] > 1
    write_run(tmp_path, benchmark="omniglot-5w1s", method="maml", preset="paper", seed=0)
    (record,) = read_all(tmp_path)[0]
    info = record.info | {"iteration": 100, "seconds": {"training": 36.0}}
    known = next(
        c for c in published_claims() if (c.benchmark, c.method, c.protocol) == ("omniglot-5w1s", "maml", "paper")
    )
    assert claim_costs.hours(known, [replace(record, info=info)]) == "30 h"  # five times 60,000 iterations of 0.36 s
    assert (
        claim_costs.hours(replace(known, protocol=""), []) == claim_costs.hours(replace(known, method="nil"), []) == ""
    )


def test_list_has_those_whose_protocol_is_here_and_counts_the_others(bench: Command) -> None:
    told = bench("list").stdout.partition("published numbers")[2].partition("\ndata\n")[0].splitlines()[1:]
    known = [claim for claim in published_claims() if claim.protocol]
    assert (
        len(told) == len(known) + 1 and f"and {len(published_claims()) - len(known)} with unknown protocol" in told[-1]
    )
