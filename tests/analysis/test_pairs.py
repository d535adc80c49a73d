"""Pairs of cells: which are compared, because they differ in one factor only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench import records
from bench.analysis.pairs import compare_pairs
from bench.analysis.pooling import pool
from bench.protocols import presets
from bench.protocols.benchmarks import get
from bench.records import Record
from tests.report.synthetic import write_run, write_scores

BIRDS = get("cub-5w5s")
COPY = {"name": "cub", "digest": 64 * "c", "known_as": None, "partial": False}


def on_birds(results: Path, benchmark: str, method: str, digest: str) -> list[Record]:
    """Two seeds, trained on one benchmark and tested on another one."""
    evaluation = replace(presets.paper(BIRDS).evaluation, benchmark=BIRDS.name, episodes=20)
    for seed in range(2):
        run = write_run(results, benchmark, method, seed, settings=("episodes=20",), data={"digest": digest})
        write_scores(run, BIRDS, method, seed, evaluation, 60_000, 0.5)
    return [replace(each, evaluations=tuple(map(on_copy, each.evaluations))) for each in records.read_all(results)[0]]


def on_copy(evaluated: records.Evaluated) -> records.Evaluated:
    """An evaluation on another benchmark names its data."""
    return replace(evaluated, info=evaluated.info | {"data": COPY}) if evaluated.evaluation.benchmark else evaluated


@pytest.mark.parametrize(
    ("benchmark", "digest", "compared"),
    [
        ("miniimagenet-5w5s", 64 * "a", [("maml", "fomaml")]),
        ("tieredimagenet-5w5s", 64 * "a", []),
        ("miniimagenet-5w5s", 64 * "b", []),
    ],
)
def test_methods_are_compared_if_they_were_trained_on_the_same_data(
    tmp_path: Path, benchmark: str, digest: str, compared: list[tuple[str, str]]
) -> None:
    ours = on_birds(tmp_path / "a", "miniimagenet-5w5s", "maml", 64 * "a")
    theirs = on_birds(tmp_path / "b", benchmark, "fomaml", digest)
    cells, problems = pool([*ours, *theirs])
    found = compare_pairs([cell for cell in cells if cell.title == BIRDS.name])
    assert not problems and [(pair.a.method, pair.b.method) for pair in found] == compared


def test_seeds_that_were_tested_on_two_copies_are_not_pooled(tmp_path: Path) -> None:
    """The test episodes' digest covers the first ones only, and two copies may differ in others."""
    first, second = on_birds(tmp_path, "miniimagenet-5w5s", "maml", 64 * "a")
    other = {"data": COPY | {"digest": 64 * "d"}}
    changed = tuple(replace(e, info=e.info | other) if e.evaluation.benchmark else e for e in second.evaluations)
    cells, problems = pool([first, replace(second, evaluations=changed)])
    assert [cell.title for cell in cells] == ["miniimagenet-5w5s"]
    assert len(problems) == 1 and "the data of its seeds differ" in problems[0]
