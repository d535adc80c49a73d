"""A whole experiment as one file: errors with their lines, running, recording, and its report."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import records
from bench.analysis import claims_file
from bench.errors import UserError
from bench.protocols import benchmarks, experiments, presets
from bench.protocols.protocol import OF_SOME_METHODS
from methods import METHODS
from tests.conftest import ROOT, Command, one_line
from tests.documents.test_documents import TEXTS, blocks

FILE = """\
about = "two methods, and a third under another protocol"
seeds = 2

[[run]]
benchmarks = ["tiny"]
methods = [
  "maml",
  "fomaml",
]
protocol = "paper"
set = { iterations = 2, validations = 1, evaluation.episodes = 4 }

[[run]]
benchmarks = ["tiny"]
methods = ["fomaml"]
protocol = "paper"
seeds = [1, 7]
[run.set]
iterations = 2
validations = 1
filters = 4
"""


def write(folder: Path, text: str = FILE) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


def test_a_file_is_read(tmp_path: Path) -> None:
    found = experiments.read(str(write(tmp_path)))
    first, second = found.blocks
    assert found.name == "mine" and found.about.startswith("two methods")
    assert first.methods == ("maml", "fomaml") and first.seeds == (0, 1) and second.seeds == (1, 7)
    assert first.settings == ("iterations=2", "validations=1", "evaluation.episodes=4")
    asked = found.protocol_of(first, benchmarks.get("tiny"))
    assert (asked.training.iterations, asked.evaluation.episodes) == (2, 4)
    assert found.kept["digest"] == hashlib.sha256(FILE.encode()).hexdigest() and found.kept["content"] == FILE


def test_values_of_every_kind_are_settings(tmp_path: Path) -> None:
    text = FILE.replace(
        "filters = 4", 'clip = "none"\nbatch_norm_scale = true\nfinetune_lrs = [0.5, 0.1]\ninner_lr = 1e-2'
    )
    found = experiments.read(str(write(tmp_path, text)))
    asked = found.protocol_of(found.blocks[1], benchmarks.get("tiny"))
    assert (asked.training.clip, asked.training.batch_norm_scale, asked.training.inner_lr) == (None, True, 0.01)
    assert asked.evaluation.finetune_lrs == (0.5, 0.1)


def test_the_example_of_the_documentation(typed: Command, tmp_path: Path) -> None:
    text = (ROOT / "docs" / "experiments.md").read_text()
    (tmp_path / "experiment.toml").write_text(text.split("```toml\n")[1].split("```")[0])
    command = next(line for line in text.splitlines() if line.endswith("--file experiment.toml --dry-run"))
    planned = typed(*command.split()[3:])
    assert planned.returncode == 0 and planned.stdout.count("nothing to train") == 1, planned


def test_the_grid_of_the_documentation(tmp_path: Path) -> None:
    text = blocks(TEXTS["docs/experiments.md"], "toml")[1]
    (block,) = experiments.read(str(write(tmp_path, text))).blocks
    assert len(block.tried) == 6 and block.tried[0] == "inner_lr=0.1, inner_steps=1"


@pytest.mark.parametrize("name", experiments.shipped_experiments())
def test_what_ships_names_what_there_is(name: str) -> None:
    found = experiments.read(name)
    for block in found.blocks:
        assert set(block.methods) <= set(METHODS) and found.about
        for benchmark in map(benchmarks.get, block.benchmarks):
            assert found.protocol_of(block, benchmark) == presets.preset(block.protocol, benchmark, OF_SOME_METHODS)


def test_table1_is_every_claim_of_the_table_whose_protocol_is_known() -> None:
    asked = {
        (benchmark, method, block.protocol)
        for block in experiments.read("table1").blocks
        for benchmark in block.benchmarks
        for method in block.methods
    }
    table = {
        (c.benchmark, c.method, c.protocol)
        for c in claims_file.published_claims()
        if c.protocol and "Finn et al. 2017 Table 1" in c.source
    }
    assert asked == table


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ('"fomaml",', '"fomamll",', ": run 1, methods", "did you mean 'fomaml'"),
        ('["tiny"]\nmethods = ["fomaml"]', '["tinny"]\nmethods = ["fomaml"]', ": run 2, benchmarks", "'tiny'"),
        ('protocol = "paper"\nset', 'protocol = "papr"\nset', ": run 1, protocol", "did you mean 'paper'"),
        ("{ iterations = 2", "{ iteration = 2", ": run 1, iteration", "did you mean 'iterations'"),
        ("evaluation.episodes = 4", "evaluation.episodes = 0", ": run 1, evaluation.episodes", "of at least 2"),
        ("filters = 4", "filters = 0", ": run 2, filters", "filters=0"),
        ("filters = 4", "filters = 1979-05-27", ": run 2, set", "neither a number"),
        ("seeds = [1, 7]", "seeds = [1, -7]", ": run 2, seeds", "write a number of seeds"),
        ("seeds = 2", "seeds = 0", ": run 1, seeds", "write a number of seeds"),
        ("seeds = 2", "seed = 2", ": run 1", "did you mean 'seeds'"),
        ('methods = ["fomaml"]', 'methods = "fomaml"', ": run 2, methods", "write a list"),
        ('methods = ["fomaml"]\n', "", ": run 2", "methods is missing"),
        ("seeds = [1, 7]", "seeds = [1, 7", ", line 18", "not valid TOML"),
        ("seeds = [1, 7]", "seeds = [1, 7]\nseeds = 3", ", line 18", "not valid TOML"),
        ("iterations = 2\nvalidations = 1\nfilters", "queries = 30\nfilters", ": run 2", "set queries to at most"),
    ],
)  # fmt: skip
def test_every_mistake_has_its_place(
    typed: Command, tmp_path: Path, old: str, new: str, place: str, words: str
) -> None:
    assert old in FILE
    write(tmp_path, FILE.replace(old, new))
    found = one_line(typed("run", "--file", "mine.toml"))
    assert f"mine.toml{place}: " in found and words in found
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.toml"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "--file", "tabel1"), "did you mean 'table1'"),
        (("run", "--file", "nowhere.toml"), "no such file"),
        (("run", "--file", "mine.toml", "--seeds", "3", "--method", "maml"), "--method, --seeds"),
        (("run", "--file", "mine.toml", "--set", "queries=2"), "--set"),
        (("report", "--file", "tabel1"), "did you mean 'table1'"),
        (("run", "--file", "."), "no such file"),
        (("run", "--file", "empty.toml"), r"no [[run]]"),
        (("run", "--file", "bytes.toml"), "cannot be read"),
        (("run", "--file", "big.toml"), "64 KiB"),
    ],
)
def test_one_line(typed: Command, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    write(tmp_path)
    (tmp_path / "empty.toml").write_text("seeds = 2\n")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "big.toml").write_text("#" * (1 << 17))
    assert words in one_line(typed(*arguments))
    assert not (tmp_path / "results").exists()


HOSTILE = [
    "[" * 50_000,
    "a = " + "[" * 20_000,
    "run = 3",
    "run = [3]",
    "[run]\nseeds = 2",
    'about = "a\\nb"',
    "\0",
    FILE.replace("filters = 4", "filters = " + "9" * 5000),
    FILE.replace("filters = 4", "filters = 0x" + "f" * 5000),
    FILE.replace("filters = 4", 'filters = "a\\nb"'),
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_files_are_one_line(tmp_path: Path, number: int) -> None:
    with pytest.raises(UserError) as raised:
        experiments.read(str(write(tmp_path, HOSTILE[number])))
    assert "mine.toml" in str(raised.value) and "\n" not in str(raised.value)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_file_is_an_experiment_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(FILE)))
    end = data.draw(st.integers(start, len(FILE)))
    text = FILE[:start] + data.draw(st.text(st.sampled_from("[]{}=.,\"'\n 0aé#-"), max_size=8)) + FILE[end:]
    try:
        found = experiments.read(str(write(tmp_path_factory.getbasetemp(), text)))
        for block in found.blocks:
            found.protocol_of(block, benchmarks.get("tiny"))
    except UserError as error:
        assert "mine.toml" in str(error) and "\n" not in str(error)


def test_a_file_is_run_recorded_and_shown_by_itself(typed: Command, tmp_path: Path) -> None:
    write(tmp_path)
    planned = typed("run", "--file", "mine.toml", "--dry-run")
    assert planned.returncode == 0 and planned.stdout.count("meta-steps measured here") == 3, planned
    assert planned.stdout.count("tiny fomaml") == 2 and "seeds 0, 1: about" in planned.stdout
    assert not (tmp_path / "results").exists()

    other = typed("run", "--benchmark", "tiny", "--method", "maml", "--iterations", "1", "--set", "validations=1")
    ran = typed("run", "--file", "mine.toml")
    assert other.returncode == ran.returncode == 0, ran
    assert "report --file mine.toml" in ran.stdout
    found, problems = records.read_all(tmp_path / "results" / "runs")
    assert len(found) == 7 and not problems
    kept = [record.info["experiment"] for record in found if record.info["experiment"]]
    assert len(kept) == 6 and all(each == experiments.read("mine.toml").kept for each in kept)

    # Another evaluation of one of its runs is no part of it.
    name = next(record.name for record in found if record.method == "maml" and record.info["experiment"])
    assert typed("evaluate", name, "--set", "episodes=3").returncode == 0
    report = typed("report", "--file", "mine.toml")
    assert report.returncode == 0 and "6 of 6 runs finished here" in report.stdout
    assert report.stdout.count("  maml [") == 1 and report.stdout.count("  fomaml [") == 2
    assert "miniimagenet" not in report.stdout and (tmp_path / "results" / "report-mine" / "report.md").exists()
    assert typed("report").stdout.count("  maml [") == 3
    assert typed("run", "--file", "mine.toml", "--dry-run").stdout.count("nothing to train") == 3


def test_a_file_may_name_a_method_of_ones_own(typed: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(blocks(TEXTS["docs/methods.md"], "python")[0])
    common = 'seeds = 1\nprotocol = "quick"\nset = { iterations = 2 }\n'
    write(tmp_path, f'{common}[[run]]\nbenchmarks = ["tiny"]\nmethods = ["mine.py", "maml"]\n')
    assert typed("run", "--file", "mine.toml").returncode == 0
    report = typed("report", "--file", "mine.toml")
    assert "2 of 2 runs finished here" in report.stdout, report
    (tmp_path / "mine.py").write_text(f"{(tmp_path / 'mine.py').read_text()}# another method now\n")
    assert "1 of 2 runs finished here" in typed("report", "--file", "mine.toml").stdout


def test_two_evaluations_of_one_training_count_as_two(typed: Command, tmp_path: Path) -> None:
    common = 'seeds = 1\nprotocol = "quick"\nbenchmarks = ["tiny"]\nmethods = ["maml"]\n'
    (tmp_path / "maml").write_text("no method, but a file of that name")
    blocks = [f"[[run]]\nset = {{ iterations = 2, evaluation.queries = {queries} }}\n" for queries in (1, 2)]
    write(tmp_path, common + blocks[0])
    assert typed("run", "--file", "mine.toml").returncode == 0
    write(tmp_path, common + "".join(blocks))
    assert "1 of 2 runs finished here" in typed("report", "--file", "mine.toml").stdout
    assert typed("run", "--file", "mine.toml").returncode == 0
    assert "2 of 2 runs finished here" in typed("report", "--file", "mine.toml").stdout


def test_run_and_report_say_the_same_place(typed: Command, tmp_path: Path) -> None:
    write(tmp_path, "\ufeff" + FILE.replace('"paper"', '"papr"', 1))
    for command in ("run", "report"):
        assert "mine.toml: run 1, protocol: " in one_line(typed(command, "--file", "mine.toml")), command
