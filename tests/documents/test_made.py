"""What documents show of results is made by a command, and is of the results that are committed."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.conftest import ROOT
from tests.documents.test_documents import TEXTS

PAGE = ROOT / "results" / "reference" / "report" / "report.html"
NOTEBOOK = Path("examples", "first-results.ipynb")


def has(*modules: str) -> bool:
    return all(importlib.util.find_spec(module) for module in modules)


def has_browser() -> bool:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    return bool(found and shutil.which("chromedriver") and has("selenium"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that the command makes, in a folder of its own."""
    out = tmp_path_factory.mktemp("made")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}  # another test runs beside it
    if not has_browser():
        environment["PATH"] = "/nowhere"
    script = [sys.executable, str(ROOT / "docs" / "make.py"), "--out", str(out)]
    ran = subprocess.run(script, env=environment, capture_output=True, text=True)
    whole = has_browser() and has("nbclient", "ipykernel")
    assert ran.returncode == (0 if whole else 1), ran.stderr
    return out


@pytest.mark.slow
def test_the_field(made: Path) -> None:
    assert (made / "README.md").read_text() == (ROOT / "README.md").read_text()  # else: python docs/make.py


@pytest.mark.slow
@pytest.mark.parametrize("name", ["report.png", "tour-report.png"])
def test_the_pictures_of_pages(made: Path, name: str) -> None:
    if not has_browser():
        pytest.skip("no Chromium with its chromedriver: no picture")
    with Image.open(made / "docs" / name) as picture:
        assert picture.size == (1366, 768) and len(picture.convert("RGB").getcolors(1 << 20)) > 50


@pytest.mark.slow
def test_the_picture_of_episodes(made: Path) -> None:
    for folder in (made, ROOT):
        with Image.open(folder / "docs" / "tour-episodes.png") as picture:
            assert picture.size[0] > 300 and len(picture.getcolors()) > 4


def test_pictures_are_small() -> None:
    assert all(path.stat().st_size < 150_000 for path in (ROOT / "docs").glob("*.png"))


def test_the_picture_is_of_the_committed_page() -> None:
    with Image.open(ROOT / "docs" / "report.png") as picture:
        of = picture.text["report.html"]
    assert of == hashlib.sha256(PAGE.read_bytes()).hexdigest(), "stale: python docs/make.py"


def test_the_tour_types_what_its_pictures_show() -> None:
    found = importlib.util.spec_from_file_location("make", ROOT / "docs" / "make.py")
    make = importlib.util.module_from_spec(found)
    found.loader.exec_module(make)
    assert make.TOUR and all(f"python -m bench {line}" in TEXTS["docs/tour.md"] for line in make.TOUR)


def outputs(path: Path) -> Sequence[Sequence[Any]]:
    """Of each cell of code, the kinds of its outputs; none of them an error."""
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == [*range(1, len(cells) + 1)]  # from the top, each once
    found = [[(each["output_type"], sorted(each.get("data", {}))) for each in cell["outputs"]] for cell in cells]
    assert not any(each.get("name") == "stderr" or "ename" in each for cell in cells for each in cell["outputs"])
    return found


@pytest.mark.slow
def test_the_notebook_runs_and_shows_what_is_committed(made: Path) -> None:
    committed = outputs(ROOT / NOTEBOOK)
    assert sum("image/png" in data for cell in committed for _, data in cell) == 2
    if not has("nbclient", "ipykernel"):
        pytest.skip("nothing that runs notebooks")
    assert outputs(made / NOTEBOOK) == committed
