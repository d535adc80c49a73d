"""`evaluate`, `verify` and `export` accept a run, a cell, a list or all; and the script works next to folders whose
names equal our packages'."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from bench import records
from tests.conftest import Command, bench_environment, one_line

RUN = ("run", "--benchmark", "tiny", "--set", "iterations=2", "--set", "validations=1")


def test_a_cell_a_list_or_all(typed: Command, tmp_path: Path) -> None:
    assert typed(*RUN, "--seeds", "2", "--method", "maml", "--method", "protonet").returncode == 0
    assert typed("evaluate", "tiny/maml", "--set", "episodes=3").stdout.count("on 3 test episodes") == 2
    assert typed("evaluate", "tiny/maml", "tiny/protonet", "--set", "episodes=4").stdout.count("on 4 test") == 4
    assert typed("evaluate", "--all", "--set", "episodes=5").stdout.count("on 5 test episodes") == 4
    assert typed("export", "--all", "--out", "all.zip").stdout.startswith("all.zip: 4 runs")
    assert sum(name.endswith("record.json") for name in zipfile.ZipFile(tmp_path / "all.zip").namelist()) == 4
    assert typed("verify", "tiny/protonet").stdout.count("verified: bit for bit") == 2
    assert typed(*RUN, "--iterations", "3", "--keep", "1", "--max-minutes", "0.00001").returncode == 75
    some = typed("evaluate", "tiny", "--set", "episodes=6")
    assert (some.returncode, some.stdout.count("on 6 test episodes")) == (0, 4)
    assert some.stderr.splitlines()[-1] == "left out: tiny/maml (1 run: unfinished)"
    assert typed("export", "tiny/maml", "--out", "maml.zip").stdout.startswith("maml.zip: 2 runs")
    (unfinished,) = (run for run in records.read_all(Path("results/runs"))[0] if run.status == "unfinished")
    assert "unfinished: there are no trained weights" in one_line(typed("evaluate", unfinished.name))
    assert "only finished or diverged" in one_line(typed("export", unfinished.name, "--out", "none.zip"))
    assert "name runs, or give --all" in one_line(typed("export", "--out", "none.zip"))
    assert "name a RUN, or give --all" in one_line(typed("evaluate"))


def test_the_script_beside_folders_of_our_names(tmp_path: Path) -> None:
    for name in ("bench", "methods"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('the wrong one')")
    (tmp_path / "random.py").write_text("raise RuntimeError('the wrong one')")
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "few-shot-bench"  # as pip writes it
    script.write_text("import sys\nfrom bench.__main__ import main\nsys.exit(main())\n")

    def typed(*words: str) -> subprocess.CompletedProcess[str]:
        asked = [sys.executable, str(script), *words]
        return subprocess.run(asked, cwd=tmp_path, env=bench_environment(tmp_path), capture_output=True, text=True)

    first = typed("report").stdout  # the command that it leads on to works here
    assert "\n    few-shot-bench run --method maml" in first and "python -m bench" not in first
    assert typed("report", "--help").stdout.startswith("usage: few-shot-bench report")
    ran = typed(*RUN)
    assert ran.returncode == 0 and "python -m bench" not in ran.stdout + ran.stderr, ran.stderr
