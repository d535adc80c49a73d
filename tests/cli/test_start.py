"""Commands that compute nothing start without importing torch. The tests count imports, not seconds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.protocols import known_methods
from methods import METHODS
from tests.conftest import ROOT, Command, bench_environment

ASKED = """
import sys
from bench.__main__ import main
sys.argv = ["bench", *sys.argv[1:]]
try:
    main()
finally:
    costly = {"torch", "scipy", "matplotlib", "seaborn", "pandas", "pyarrow"}
    print("loaded", sorted(costly & sys.modules.keys()), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--help",),
        ("--version",),
        ("rnu",),
        ("run", "--help"),
        ("run", "--itertions", "3"),
        ("run", "--method", "mamll"),
        ("run", "--benchmark", "omniglot-5w1"),
        ("run", "--set", "inner_rl=1"),
        ("run", "--seeds", "1000000"),
        ("explain", "--from", "articel", "--to", "paper"),
        ("evaluate", "nothing"),
        ("verify", "nothing"),
        ("speed", "--benchmark", "tyni"),
        ("import", "missing.zip"),
        ("list",),
        ("data", "list"),
    ],
)
def test_starts_without_torch(arguments: tuple[str, ...], tmp_path: Path) -> None:
    asked = [sys.executable, "-c", ASKED, *arguments]
    ran = subprocess.run(
        asked, cwd=tmp_path, env=bench_environment(tmp_path) | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert ran.stderr.splitlines()[-1] == "loaded []", ran.stderr


def test_bare_shows_help(typed: Command) -> None:
    ran = typed()
    assert ran.returncode == 0 and "train and test methods on a benchmark" in ran.stdout


def test_methods_are_those_registered() -> None:
    shipped = known_methods.built_in_methods()
    assert [*shipped] == [*METHODS] and all(shipped.values())
    assert {name: text.split() for name, text in shipped.items()} == {
        name: (kind.__doc__ or "").split() for name, kind in METHODS.items()
    }
