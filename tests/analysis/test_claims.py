"""The published numbers that the package includes, and a user's own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from bench.analysis import claims_file, sections
from bench.errors import UserError
from bench.protocols import presets
from bench.protocols.benchmarks import BENCHMARKS

HEADER = claims_file.PUBLISHED.read_text().splitlines()[0]
ROW = "miniimagenet-5w5s,maml,mine,63.11,0.92,over tasks,600,5,transductive,my thesis,,paper,60000,2.0"


def written(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_paper_is_there() -> None:
    found = [c for c in claims_file.published_claims() if c.benchmark == "miniimagenet-5w5s" and c.protocol == "paper"]
    assert [(c.method, c.number) for c in found] == [("fomaml", "63.15 ± 0.91"), ("maml", "63.11 ± 0.92")]


def test_every_claim_has_a_source_and_its_margin() -> None:
    for claim in claims_file.published_claims():
        margin = 2.0 if claim.benchmark.startswith("mini") else 0.5 if claim.benchmark == "omniglot-5w5s" else 1.0
        assert claim.source and claim.margin == margin


def test_known_protocols() -> None:
    found = Counter((c.preset, c.iterations) for c in claims_file.published_claims())
    assert found[("paper", 60_000)] == 12 and found[("ravi", 30_000)] == 4
    assert found[("article", 60_000)] == found[("article", 75_000)] == 1
    assert found[("snell", 20_000)] == 30 and found[("raghu", 30_000)] == 8
    assert found[("chen", 25_700)] == 5 and found[("chen", 2_056_000)] == 2
    assert [found[(name, 100_000)] for name in ("nichol", "nichol-transduction")] == [8, 8]
    assert [found[(name, 200_000)] for name in ("nichol", "nichol-transduction")] == [4, 4]
    assert found[("", None)] == len(claims_file.published_claims()) - 29 - 24 - 8 - 2 - 24


def test_queries_and_batch_norm_are_those_of_the_protocol() -> None:
    modes = {"batch": {"transductive"}, "running": {"inductive", "running"}, "support": {"inductive"}}
    modes["support+query"] = {"inductive"}
    for claim in claims_file.published_claims():
        if claim.protocol:
            evaluation = presets.from_text(claim.protocol, BENCHMARKS[claim.benchmark]).evaluation
            assert claim.queries_per_class in (None, evaluation.queries)
            assert claim.bn_mode in modes[evaluation.batch_statistics]


def test_a_user_s_own(tmp_path: Path) -> None:
    (claim,) = claims_file.read(written(tmp_path / "mine.csv", HEADER, ROW))
    assert (claim.variant, claim.ci95, claim.tasks) == ("mine", 0.92, 600)
    (bare,) = claims_file.read(written(tmp_path / "bare.csv", HEADER, "tiny,maml,,50,,,,,,me,,,,"))
    assert bare.ci95 is bare.tasks is bare.iterations is bare.margin is None and bare.number == "50.00"
    (theirs,) = claims_file.read(written(tmp_path / "theirs.csv", HEADER, ROW.replace("maml", "theirs")))
    assert "run --method path/to/theirs.py --seeds 5 " in sections.command(theirs)


@pytest.mark.parametrize(
    ("meaning", "over_tasks", "trainings", "number"),
    [
        ("over tasks", 0.5, None, "96.20 ± 0.50"),
        ("over episodes", 0.5, None, "96.20 ± 0.50"),
        ("over trainings", None, None, "96.20 ± 0.50 (over trainings)"),
        ("SD of 3 trainings", None, 3, "96.20 ± 0.50 (SD of 3 trainings)"),
        ("over 3 trainings", None, 3, "96.20 ± 0.50 (over 3 trainings)"),
        ("", None, None, "96.20 ± 0.50 (unknown)"),
        ("my own words", None, None, "96.20 ± 0.50 (my own words)"),
    ],
)
def test_what_the_plus_minus_is(
    tmp_path: Path, meaning: str, over_tasks: float | None, trainings: int | None, number: str
) -> None:
    row = f"omniglot-20w1s,anil,,96.2,0.5,{meaning},600,1,,me,,,,1"
    (claim,) = claims_file.read(written(tmp_path / "mine.csv", HEADER, row))
    assert (claim.over_tasks, claim.trainings, claim.number) == (over_tasks, trainings, number)


def test_the_published_say_what_their_plus_minus_is() -> None:
    found = claims_file.published_claims()
    assert {c.ci_meaning for c in found if c.method == "reptile" and c.variant.startswith("paper")} == {
        "over 3 trainings"
    }
    own = [
        c
        for c in found
        if c.ci95 and (c.method, c.variant) in {("anil", "paper"), ("nil", "paper"), ("maml++", "paper")}
    ]
    assert len(own) == 10 and {c.trainings for c in own} == {3}
    assert [c.number for c in found if c.variant == "haebeom-lee" and c.benchmark == "miniimagenet-5w5s"] == ["64.00"]


def test_a_preset_with_settings_is_what_its_command_runs() -> None:
    found = [c for c in claims_file.published_claims() if c.source == "Snell et al. 2017 v2 Table 4"]
    (one,) = (c for c in found if c.benchmark == "omniglot-20w1s" and c.accuracy == 92.0)
    training = presets.from_text(one.protocol, one.about).training
    assert len(found) == 20 and (training.shots, training.ways, training.queries) == (1, 5, 15)
    assert sections.command(one).endswith("--protocol snell --set shots=1 --set ways=5 --set queries=15")


def test_each_is_there_once() -> None:
    names = [(c.benchmark, c.method, c.variant, c.source) for c in claims_file.published_claims()]
    assert len(set(names)) == len(names) and not [c for c in claims_file.published_claims() if "NOT READ" in c.note]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("63.11", "163", "accuracy '163' is not a number from 0 to 100"),
        ("63.11", "nan", "accuracy 'nan'"),
        ("63.11", "", "accuracy ''"),
        ("0.92", "-1", "ci95 '-1'"),
        ("over tasks", "SD of 1 trainings", "needs at least 2 trainings"),
        ("over tasks", "over 1 trainings", "needs at least 2 trainings"),
        ("600,5", "1,5", "tasks '1' is not a whole number of at least 2"),
        ("60000", "6e4", "iterations '6e4'"),
        ("my thesis", "", "source is empty"),
        ("maml", "", "method is empty"),
        ("miniimagenet-5w5s", "miniimagenet", "did you mean 'miniimagenet-5w5s'"),
        ("paper,60000", "papre,60000", "did you mean 'paper'"),
        ("paper,60000", "paper inner_stepz=3,60000", "did you mean 'inner_steps'"),
        ("paper,60000", "paper inner_steps,60000", "inner_steps"),
        ("paper,60000", "chen,60000", "protocol chen is for the images of omniglot"),
        ("transductive", "mixed", "unknown bn_mode 'mixed'"),
        (",2.0", "", "not 14 cells"),
        (",2.0", ",2.0,7", "not 14 cells"),
    ],
)
def test_mistakes_name_file_and_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = written(tmp_path / "mine.csv", HEADER, ROW, ROW.replace(old, new))
    with pytest.raises(UserError) as error:
        claims_file.read(path)
    assert str(error.value).startswith(f"{path}, line 3: ") and said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"benchmark,metod\n", b"\xff\xfe\x00", b'"\n'])
def test_what_is_no_claims_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"mine\.csv") as error:
        claims_file.read(path)
    assert "\n" not in str(error.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        claims_file.read(tmp_path / "none.csv")
