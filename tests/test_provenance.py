"""The version of the code in a record: never somebody else's commit, and never nothing."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import bench
from bench import provenance
from bench.tools.verify.promises import reasons
from bench.training.execution_record import ExecutionRecord
from tests.conftest import ROOT


def commit_all(folder: Path) -> None:
    me = ("-c", "user.name=me", "-c", "user.email=me@example.com")
    for words in (("init", "-q"), ("add", "."), (*me, "commit", "-qm", "all")):
        subprocess.run(["git", *words], cwd=folder, check=True)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The project as installed from a wheel, inside somebody else's repository; returns its folder."""
    packages = tmp_path / "venv" / "site-packages"
    for name in ("bench", "methods"):
        shutil.copytree(ROOT / name, packages / name, ignore=shutil.ignore_patterns("__pycache__", "*.xz"))
    monkeypatch.setattr(provenance, "__file__", str(packages / "bench" / "provenance.py"))
    provenance.sources.cache_clear()
    yield packages
    provenance.sources.cache_clear()


def test_somebody_elses_commit_is_not_the_projects(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "paper.tex").write_text("theirs")
    for ignored in (True, False):  # the packages untracked, and committed as part of what is theirs
        (tmp_path / ".gitignore").write_text("venv\n" if ignored else "")
        commit_all(tmp_path)
        assert provenance.commit() == {"commit": None, "dirty": None}


def test_sources_tell_the_code_apart_wherever_it_lies(installed: Path) -> None:
    here = provenance.sources()
    provenance.sources.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(provenance, "__file__", str(ROOT / "bench" / "provenance.py"))
        assert provenance.sources() == here
    provenance.sources.cache_clear()
    (installed / "methods" / "maml.py").write_text("# changed")
    assert provenance.sources() != here


def test_the_project_itself_is_among_the_packages(installed: Path) -> None:
    assert any(line.startswith("few-shot-bench==") for line in provenance.lock())
    assert provenance.describe()["packages"]["few-shot-bench"] == bench.__version__


def test_without_a_commit_bits_are_promised_for_equal_sources() -> None:
    before, now = (
        ExecutionRecord(device="cpu", chunk=1, threads=1, environment={"commit": None, "sources": letter * 64})
        for letter in "ab"
    )
    assert reasons(before, before) == [] and reasons(before, now) == ["commit aaaaaaaaaaaa -> bbbbbbbbbbbb"]
