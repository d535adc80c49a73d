"""The folders for records and reports in the tests of the report."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """The folder of the records; a report also reads `reference` beside it."""
    return tmp_path / "results" / "runs"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The folder of the report."""
    return tmp_path / "out"
