"""What documents show of results is made by a command, and is of the results that are committed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import ROOT

PAGE = ROOT / "results" / "reference" / "report" / "report.html"


def has_browser() -> bool:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    return bool(found and shutil.which("chromedriver") and _has_selenium())


def _has_selenium() -> bool:
    try:
        import selenium  # noqa: F401
    except ImportError:
        return False
    return True


@pytest.mark.slow
def test_the_command_makes_the_field_and_the_picture(tmp_path: Path) -> None:
    script = [sys.executable, str(ROOT / "docs" / "make.py"), "--out", str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    if not has_browser():
        environment["PATH"] = "/nowhere"
    made = subprocess.run(script, env=environment, capture_output=True, text=True)
    assert made.returncode == (0 if has_browser() else 1), made.stderr
    assert (tmp_path / "README.md").read_text() == (ROOT / "README.md").read_text()  # else: python docs/make.py
    if not has_browser():
        pytest.skip("no Chromium with its chromedriver: no picture")
    with Image.open(tmp_path / "docs" / "report.png") as picture:
        assert picture.size == (1366, 768) and len(picture.convert("RGB").getcolors(1 << 20)) > 50


def test_the_picture_is_of_the_committed_page() -> None:
    with Image.open(ROOT / "docs" / "report.png") as picture:
        of = picture.text["report.html"]
    assert of == hashlib.sha256(PAGE.read_bytes()).hexdigest(), "stale: python docs/make.py"
