"""The report's page as a file: its content, what it is allowed to do, and that no name in it becomes markup."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from bench import files, records
from bench.analysis import claims_file, training_operations
from bench.records import layout
from bench.report import answers, build, cost, kept_effects
from bench.report.answers import Answer, summary
from bench.report.cost import Times
from tests.conftest import ROOT
from tests.report.synthetic import write_run

_VOID = {"meta", "link", "img", "br", "input"}


class Page(HTMLParser):
    """A parsed page: (tag, attributes) in order, the text between them, and whether every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        """The visible text, with every run of blanks as one blank."""
        return " ".join(" ".join(self.words).split())

    def values(self, name: str) -> list[str]:
        """All values of an attribute, in any element."""
        return [attributes[name] or "" for _, attributes in self.tags if name in attributes]


def page(runs: Path, out: Path) -> tuple[str, Page]:
    made = next(path for path in build.build(runs, out).files if path.name == "report.html").read_text()
    return made, Page(made)


def test_the_answer_comes_first_and_in_words(runs: Path, out: Path) -> None:
    for seed in range(3):
        write_run(runs, "miniimagenet-5w5s", seed=seed, accuracy=0.40)
        write_run(runs, "omniglot-5w1s", "nearest", seed, accuracy=0.9)
    _, found = page(runs, out)
    answer, results = found.text.split("The answer")[1].split("Results in", 1)
    assert "differs 1" in answer and results.split()[1:3] == ["miniimagenet-5w5s", "1"]
    assert results.split("1 result")[1].startswith("; published numbers: differs 1")
    first = answer.split("maml on miniimagenet-5w5s")[1]
    assert first.startswith(" Finn et al. 2017 Table 1 (paper) published 63.11 ± 0.92 ours 4")
    assert "verdict differs the 95 % interval of the difference" in first and "excludes 0" in first
    assert answer.index("Judged: 1") < answer.index("Compared, not judged")


def test_every_published_number_stands_once_with_what_would_tell(runs: Path, out: Path) -> None:
    for seed in range(3):
        write_run(runs, "omniglot-5w1s", seed=seed, accuracy=0.985)
    known = claims_file.published_claims()
    (mine,), _ = build.parts(runs)
    assert sorted(map(str, known)) == sorted(str(answer.claim) for answer in mine.answers)
    tables = {table.caption: table.rows for table in answers.tables(mine.answers, mine.times)}
    assert sum(map(len, tables.values())) == len(known)
    commands = next(rows for caption, rows in tables.items() if "with the command" in caption)
    assert {row["command"].split()[3] for row in commands} == {"run"} and {c.benchmark for c in known} >= {
        row["benchmark"] for row in commands
    }
    never = next(rows for caption, rows in tables.items() if "no run would be judged" in caption)
    assert all("unknown (assumed here)" in row["why"] for row in never) and not any("why" in row for row in commands)
    names = [row["benchmark"] for row in commands]
    assert names == sorted(names, key=names.index) and len(set(names)) > 3  # each benchmark's together


def test_hours_are_told_by_a_record_of_the_same_training(runs: Path) -> None:
    claim = next(
        c
        for c in claims_file.published_claims()
        if (c.benchmark, c.method, c.protocol) == ("omniglot-5w1s", "maml", "paper")
    )
    write_run(runs, settings=("iterations=600",))  # 1 second
    write_run(runs, settings=("iterations=6000", "inner_lr=0.1"))
    (one, other) = sorted(records.read_all(runs)[0], key=lambda record: record.info["iteration"])
    # Five seeds of 60,000 iterations, at 600 a second.
    assert cost.hours(claim, Times([one, other])) == "about 0.1 h on a CPU (2 threads), from a record of 600 iterations"
    paused = replace(one, info=one.info | {"seconds": {"training": 3600.0}})
    assert cost.hours(claim, Times([paused, one])) == cost.hours(claim, Times([one]))
    estimate = 5 * 60_000 * training_operations.an_iteration(claim) / 75e9 / 3600
    roughly = f"roughly {estimate:,.0f} h on two CPU cores, estimated from operation counts"
    assert cost.hours(claim, Times([other])) == roughly
    assert cost.hours(replace(claim, method="mine"), Times([other])) == ""
    timed = Times([other], cost.step_times(ROOT / "results" / "reference"))
    (step,) = [step for step in timed.steps if (step.benchmark, step.method) == (claim.benchmark, claim.method)]
    takes = cost.in_hours(5 * 60_000 * step.seconds)
    assert 0 < step.seconds < 1 and f"about {takes} h on {step.machine}, from timed" in cost.hours(claim, timed)
    elsewhere = replace(claim, protocol="article")  # not what `speed` times
    assert cost.hours(elsewhere, timed) == cost.hours(elsewhere, Times([other]))
    assert "from a record of" in cost.hours(claim, timed._replace(records=[one]))
    shared = replace(one, info=one.info | {"execution": {"seeds": [0, 1, 2]}})
    assert cost.seconds(shared) == pytest.approx(cost.seconds(one) / 3)


def test_every_table_and_every_figure_is_in_it(runs: Path, out: Path) -> None:
    for seed in range(3):
        write_run(runs, method="maml", seed=seed, preset="quick")
        write_run(runs, method="fomaml", seed=seed, preset="quick")
    _, found = page(runs, out)
    tables = (
        "95 % intervals",
        "published numbers",
        "compared",
        "each training seed",
        "anatomy",
        "differs",
        "provenance",
    )
    for caption in (*tables, "learning curves", "by inner step", "over test episodes"):
        assert caption in found.text, caption
    svgs = [attributes for tag, attributes in found.tags if tag == "svg"]
    assert len(svgs) == 5 and all(attributes["aria-label"] for attributes in svgs)
    assert Counter(tag for tag, _ in found.tags)["figcaption"] == 5
    assert "python -m bench run" in found.text and "commit" in found.text and "c" * 12 in found.text


def test_without_runs_it_says_so_and_what_would_run(runs: Path, out: Path) -> None:
    _, found = page(runs, out)
    assert (
        "There are no runs yet in" in found.text
        and f"not run {len(claims_file.published_claims())}" in found.text
        and "63.11 ± 0.92" in found.text
    )
    assert "python -m bench run --method maml --seeds 5 --benchmark miniimagenet-5w5s" in found.text


def test_bad_records_and_lost_runs_are_in_it(runs: Path, out: Path) -> None:
    folders = [write_run(runs, seed=seed) for seed in range(2)]
    write_run(runs, seed=7, status="diverged")
    (folders[0] / layout.RECORD).write_text("{")
    _, found = page(runs, out)
    assert (
        f"Left out {folders[0]}" in found.text and "seed7: diverged at iteration 10; excluded from means" in found.text
    )


def test_reference_runs_stand_apart(runs: Path, out: Path) -> None:
    write_run(runs)
    write_run(runs.parent / "reference", seed=1)
    _, found = page(runs, out)
    assert found.text.count("This project's own runs, not yours") == 3  # said at the top, in the contents, and there
    ids = found.values("id")
    assert len(ids) == len(set(ids))


def test_a_name_cannot_become_markup(runs: Path, out: Path) -> None:
    hostile = ["<script>alert(1)</script>", "\"><img src=x onerror='a'>", "{{ 7 * 7 }}", "a&lt;b", "]]>--></title>"]
    for text in hostile:
        folder = write_run(runs, method=text.replace("/", " "))
        info = records.read(folder).info
        files.write_sealed(folder / layout.RECORD, info | {"command": text, "environment": {"commit": text}})
    _, found = page(runs, out)
    assert all(text in found.text and text.replace("/", " ") in found.text for text in hostile)
    assert found.open == [] and [tag for tag, _ in found.tags if tag in ("img", "script")] == ["script"]
    assert not [name for _, attributes in found.tags for name in attributes if name.startswith("on")]


def test_it_may_do_nothing_but_its_own_script_and_style(runs: Path, out: Path) -> None:
    write_run(runs)
    text, found = page(runs, out)
    policy = next(a["content"] or "" for tag, a in found.tags if tag == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy and "http" not in policy
    for kind in ("style", "script"):
        (content,) = re.findall(f"<{kind}>(.*?)</{kind}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert found.values("style") == []  # the policy would not let it pass
    links = [*found.values("src"), *found.values("href")]
    assert all(link.startswith(("#", "data:")) for link in links)
    targets = set(found.values("id"))
    assert {link[1:] for link in links if link.startswith("#")} <= targets
    assert set(found.values("aria-labelledby")) <= targets


def test_headings_do_not_skip_a_level(runs: Path, out: Path) -> None:
    write_run(runs)
    _, found = page(runs, out)
    levels = [int(tag[1]) for tag, _ in found.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_no_colour_is_left_that_a_dark_page_could_not_change(runs: Path, out: Path) -> None:
    for method in ("maml", "fomaml", "finetune", "nearest"):
        write_run(runs, method=method)
    _, found = page(runs, out)
    drawn = {value for name in ("fill", "stroke") for value in found.values(name)}
    assert drawn and all(value == "none" or value == "currentColor" or value.startswith("var(--") for value in drawn)


def test_the_summary_counts() -> None:
    assert summary([]).startswith("0 published numbers: agrees 0")
    told = "1 published number: agrees 0, differs 0, inconclusive 0, not judged 0, not run 1."
    assert summary([Answer(claims_file.published_claims()[0], None)]) == told


def test_effects_have_the_digits_of_their_measure(tmp_path: Path) -> None:
    """As `explain` prints them: an effect of 0.0034 on a squared error is not 0.00."""
    (tmp_path / "explain-quick-paper-sinusoid-5s-maml.csv").write_text(
        "benchmark,method,from,to,factor,value,low,high,interval,p_holm\n"
        "sinusoid-5s,maml,quick,paper,iterations,-0.0034,-0.0051,-0.0017,both,0.00001\n"
    )
    (table,), _ = kept_effects.tables(tmp_path)
    shown = {"effect": "-0.0034", "95 % interval": "-0.0051 to -0.0017", "p (Holm)": "< 0.0001"}
    assert shown.items() <= table.rows[0].items()


def test_what_explain_found_is_on_the_page(runs: Path, out: Path) -> None:
    write_run(runs)
    out.mkdir()
    (out / "explain-article-paper-omniglot-5w1s-maml.csv").write_text(
        "benchmark,method,from,to,factor,kind,change,difference,value,low,high,interval,p,p_holm,seeds,test_episodes\n"
        "omniglot-5w1s,maml,article,paper,<b>inner_lr,from,0.01 -> 2,x,-11.5,-21.72,-1.27,both,0.01,0.04,0 1 2,600\n"
        "omniglot-5w1s,maml,article,paper,clip,from,none -> 1,x,,,,,,,,\n"
    )
    _, found = page(runs, out)
    told = found.text.split("from article to paper, what each change does")[1]
    assert "<b>inner_lr -11.50" not in told and "<b>inner_lr −11.50 −21.72 to −1.27 0.04 episodes + seeds" in told
    assert "clip no seed: diverged" in told
    for content in ("", "factor\n", "benchmark,method,from,to,factor\n", "a\x00b"):
        (out / "explain-broken.csv").write_text(content)
        made = build.build(runs, out)
        assert len(made.problems) == 1 and "explain-broken.csv: not a table of effects" in made.problems[0]


def test_nothing_is_marked_up_by_asterisks(runs: Path, out: Path) -> None:
    for seed in range(3):
        write_run(runs, seed=seed)
        write_run(runs, method="fomaml", seed=seed)
    _, found = page(runs, out)
    assert "*" not in found.text.split("Does the published")[1].split('"use strict"')[0]
