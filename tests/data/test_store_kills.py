"""kill -9 of the real command while it prepares data: the old data set stays until the new one is complete."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from bench.data import adding, listing, store
from tests.killing import KILLS, command


def _left(home: Path, name: str) -> list[Path]:
    """The files next to a data set; an empty folder may stay behind."""
    return [path for path in home.rglob("*") if path.is_file() and (home / name) not in path.parents]


@pytest.mark.slow
def test_data_that_are_prepared(tmp_path: Path, small_copy: Any) -> None:
    """One copy replaces another: whenever this is killed, one of the two is there, complete, and nothing is left next
    to it."""
    home, copies = tmp_path / "home", [tmp_path / name for name in ("one", "other")]
    for number, copy in enumerate(copies):
        small_copy.write_folder(copy)
        next(iter(sorted((copy / "images").iterdir())[number:])).unlink()
    digests = {adding.add("mini-imagenet", copy, home, partial=True)["digest"] for copy in copies}
    for number in range(max(KILLS, 8)):
        arguments = ("data", "add", "mini-imagenet", str(copies[number % 2]), "--partial")
        command(tmp_path, home, arguments, at=number % 16)
        assert store.load("mini-imagenet", home).digest in digests
        assert all(check["ok"] for check in listing.verify(home))
    assert command(tmp_path, home, arguments).code == 0
    assert _left(home, "mini-imagenet") == []


@pytest.mark.slow
def test_the_embedded_data_when_they_are_first_used(tmp_path: Path) -> None:
    home, arguments = tmp_path / "home", ("show", "episode", "--benchmark", "tiny", "--out", "x.png")
    for at in random.Random(KILLS).sample(range(12), min(KILLS, 12)):
        command(tmp_path, home, arguments, at=at)
    assert command(tmp_path, home, arguments).code == 0 and (tmp_path / "x.png").exists()
    assert _left(home, "omniglot-embedded") == []
    assert all(check["ok"] for check in listing.verify(home))
