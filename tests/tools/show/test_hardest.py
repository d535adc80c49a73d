"""The episodes with a run's lowest scores: the right ones are shown, with the actual predictions of the run's
weights."""

from __future__ import annotations

import base64
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bench import files, records
from bench.records import layout
from bench.report import build
from bench.tools.show import hardest
from bench.tools.show import sheet as sheets
from bench.tools.verify import verify
from bench.training.watch import ignore
from tests.conftest import Command, one_line

RUN = ("run", "--benchmark", "tiny", "--iterations", "4", "--set", "validations=1", "--chunk", "3")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of this module's run, once it has been made."""
    return tmp_path_factory.mktemp("trained") / "runs"


@pytest.fixture
def folder(typed: Command, trained: Path, tmp_path: Path) -> Path:
    """A run with two evaluations, below `results/runs`."""
    if not trained.exists():
        assert typed(*RUN, "--results", str(trained)).returncode == 0
        run = str(next(layout.folders(trained)))
        assert typed("evaluate", run, "--chunk", "3", "--set", "queries=2", "--set", "episodes=11").returncode == 0
    shutil.copytree(trained, tmp_path / "results" / "runs")
    return next(layout.folders(tmp_path / "results" / "runs"))


def forge(folder: Path, episode: int) -> None:
    """Inverts one episode's scores in every evaluation, with matching checksums."""
    for path in (folder / "evaluations").glob("*.json"):
        scores = records.read_evaluation(path).scores.copy()
        scores[episode] = 1 - scores[episode]
        pd.DataFrame(scores, columns=[str(k) for k in range(scores.shape[1])]).to_parquet(path.with_suffix(".parquet"))
        info = json.loads(path.read_text()) | {"sha256": files.sha256(path.with_suffix(".parquet"))}
        files.write_sealed(path, info)  # with a sum that is right, as one who forges it would


def evaluated(folder: Path, episodes: int) -> records.Evaluated:
    return next(each for each in records.read(folder).evaluations if each.evaluation.episodes == episodes)


def test_the_hardest_and_the_easiest_are_drawn(typed: Command, folder: Path, tmp_path: Path) -> None:
    made = typed("show", "episodes", "tiny", "--hardest", "2", "--easiest", "1", "--out", "worst.png")
    assert made.returncode == 0 and not made.stderr, made.stderr
    final = evaluated(folder, 20).final
    named = [int(line.split("Test episode ")[1].split(",")[0]) for line in made.stdout.splitlines()[:3]]
    assert final[named[0]] == final.min() and final[named[1]] == np.sort(final)[1] and final[named[2]] == final.max()
    with Image.open(tmp_path / "worst.png") as picture:
        colours = {colour for _, colour in picture.convert("RGB").getcolors(2**24)}
    assert {(0, 0x66, 0x4A), (0xA8, 0x3C, 0)} <= colours  # right and wrong


@pytest.mark.parametrize("queries", [1, 2])
def test_what_is_drawn_scores_as_recorded(folder: Path, queries: int) -> None:
    """For episodes of every chunk, including the last, smaller one."""
    again = verify.open_run(folder, None, ignore)
    recorded = hardest.evaluation(again, [f"queries={queries}"])
    places = list(range(recorded.evaluation.episodes))
    drawn = hardest.draw(again, recorded, places).sheets
    labels = np.arange(5)[:, None]
    for part, step in (("before", 0), ("after", recorded.step)):
        scores = [(getattr(sheet, part) == labels).mean() for sheet in drawn]
        np.testing.assert_array_equal(scores, recorded.scores[:, step])
    assert drawn[0].query.shape == (5, queries, 28, 28, 1) and drawn[0].query.dtype == np.uint8
    assert all(len(set(sheet.classes)) == 5 for sheet in drawn)


def test_scores_that_are_not_the_recorded_ones_are_told(typed: Command, folder: Path) -> None:
    hardest = int(evaluated(folder, 20).final.argmin())
    forge(folder, hardest)
    made = typed("show", "episodes", "tiny", "--easiest", "20", "--out", "all.png")
    assert made.returncode == 1 and len(made.stderr.splitlines()) == 1
    assert f"test episode {hardest} got other scores than recorded: bits are promised here" in made.stderr


def test_the_page_shows_a_few_with_an_alternative_each(typed: Command, folder: Path, tmp_path: Path) -> None:
    assert typed("show", "episodes", "tiny", "--out", "worst.png").returncode == 0
    page = report_of(folder)
    assert page.count("<img ") == hardest.ON_THE_PAGE == page.count('alt="Test episode ')
    content = base64.b64decode(page.split("data:image/webp;base64,")[1].split('"')[0])
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.format == "WEBP" and picture.width > 300
    forge(folder, 0)
    assert "<img " not in report_of(folder)  # what it shows was scored otherwise than the record now says


@pytest.mark.parametrize(
    "damage",
    [
        lambda kept: "{",
        lambda kept: "[]",
        lambda kept: json.dumps(kept | {"pictures": [{"title": "t", "text": "t", "webp": '"><script>'}]}),
        lambda kept: json.dumps(kept | {"pictures": [{"title": "t", "text": "t", "webp": "AAAA"}]}),
        lambda kept: json.dumps(kept | {"pictures": 3}),
        lambda kept: json.dumps(kept) + 5 * 2**20 * " ",
    ],
)
def test_damaged_pictures_leave_the_page_without(typed: Command, folder: Path, damage: Callable[[dict], str]) -> None:
    assert typed("show", "episodes", "tiny", "--hardest", "1", "--out", "worst.png").returncode == 0
    path = folder / layout.PICTURES
    assert "<img " in report_of(folder)
    path.write_text(damage(json.loads(path.read_text())))
    assert "<img " not in report_of(folder)


def report_of(folder: Path) -> str:
    made = build.build(folder.parents[3], folder.parents[4] / "report")
    assert not made.problems
    return next(path for path in made.files if path.name == "report.html").read_text()


def test_a_run_made_anew_has_no_pictures_of_the_old(typed: Command, folder: Path) -> None:
    assert typed("show", "episodes", "tiny", "--hardest", "1", "--out", "worst.png").returncode == 0
    assert (folder / layout.PICTURES).exists()
    assert typed(*RUN, "--force").returncode == 0
    assert not (folder / layout.PICTURES).exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("tiny", "--set", "queries=3"), "has no evaluation with queries=3: `python -m bench evaluate "),
        (("tiny", "--set", "querys=2"), "did you mean 'queries'"),
        (("tiny", "--out", "worst.jpg"), "the picture is a PNG: give a name that ends in .png"),
        (("tiny", "--hardest", "0"), "not a whole number from 1"),
        (("tinny",), "no run 'tinny'"),
    ],
)
def test_mistakes(typed: Command, folder: Path, arguments: tuple[str, ...], expected: str) -> None:
    assert expected in one_line(typed("show", "episodes", "--out", "worst.png", *arguments))
    assert not (folder / layout.PICTURES).exists()


def test_several_evaluations_of_which_none_is_the_presets_must_be_named(typed: Command, folder: Path) -> None:
    run = str(folder)
    assert typed("evaluate", run, "--chunk", "3", "--set", "queries=2", "--set", "episodes=7").returncode == 0
    line = one_line(typed("show", "episodes", run, "--set", "queries=2", "--out", "worst.png"))
    assert "2 evaluations" in line and "they differ in episodes 11 or 7" in line


def test_what_is_scored_after_its_last_step_is_drawn_before_the_first_as_well(typed: Command, tmp_path: Path) -> None:
    small = ("--iterations", "1", "--set", "evaluation.episodes=4", "--set", "evaluation.inner_steps=2")
    reptile = ("run", "--benchmark", "tiny", "--method", "reptile", "--protocol", "nichol")
    assert typed(*reptile, *small).returncode == 0
    again = verify.open_run(next(layout.folders(tmp_path / "results" / "runs")), None, ignore)
    drawn = hardest.draw(again, hardest.evaluation(again, []), [0, 3])
    assert not drawn.problem and all(" at inner step 2, " in sheet.title for sheet in drawn.sheets)


def test_of_several_that_differ_in_what_one_lacks_the_presets_is_drawn(typed: Command) -> None:
    assert typed("run", "--benchmark", "tiny", "--method", "finetune", "--iterations", "1").returncode == 0
    for rates in ("0.1", "0.5"):
        other = ("--set", f"finetune_lrs={rates}", "--set", "finetune_head_steps=none", "--set", "finetune_steps=1")
        assert typed("evaluate", "tiny", *other).returncode == 0
    assert typed("show", "episodes", "tiny", "--hardest", "1", "--out", "a.png").returncode == 0
    line = one_line(typed("show", "episodes", "tiny", "--set", "finetune_steps=1", "--out", "a.png"))
    assert "2 evaluations" in line and "they differ in finetune_lrs 0.1 or 0.5" in line


def test_functions_have_no_images(typed: Command) -> None:
    small = ("--iterations", "2", "--set", "validations=1", "--set", "evaluation.episodes=4", "--set", "filters=4")
    assert typed("run", "--benchmark", "sinusoid-5s", *small).returncode == 0
    line = one_line(typed("show", "episodes", "sinusoid-5s", "--out", "worst.png"))
    assert "sinusoid-5s has no images to show; `python -m bench report --results results/runs` draws its" in line


def test_a_sheet_says_in_words_what_it_shows() -> None:
    images = np.zeros((2, 2, 4, 4, 3), dtype=np.uint8)
    before, after = np.array([[0, 0], [0, 0]]), np.array([[0, 1], [1, 1]])
    sheet = sheets.Sheet("Test episode 3", ("cat", "dog"), images, images, before, after)
    assert sheet.described() == (
        "Test episode 3. Classes: A (cat), B (dog). Of 4 query images, 2 are right before adaptation and 3 after. "
        "Most often: 1 image of A (cat) taken for B (dog)."
    )


def test_ways_beyond_the_alphabet_and_queries_beyond_a_line() -> None:
    images = np.zeros((30, 17, 4, 4, 1), dtype=np.uint8)
    labels = np.zeros((30, 17), dtype=int)
    sheet = sheets.Sheet("many", tuple("class" + str(k) for k in range(30)), images[:, :1], images, labels, labels)
    assert sheet.names[0] == "1" and sheet.names[29] == "30"
    assert sheets.draw([sheet]).height > 2 * 30 * 72  # two lines a class
