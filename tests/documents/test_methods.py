"""Every command in docs/methods.md and docs/other-code.md, in order and unchanged."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from bench.records import layout
from tests.conftest import ROOT, Command, bench_environment
from tests.documents.test_documents import TEXTS, blocks


def commands(page: str) -> list[list[str]]:
    return [shlex.split(line) for block in blocks(TEXTS[f"docs/{page}"], "") for line in block.splitlines()]


@pytest.mark.slow
def test_a_method_of_ones_own(typed: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(blocks(TEXTS["docs/methods.md"], "python")[0])
    found = commands("methods.md")
    assert [words[3] for words in found] == ["check", "run", "verify", "evaluate", "report"]
    for words in found:
        runs = list(layout.folders(tmp_path / "results" / "runs"))
        key = next((run.parts[-2] for run in runs if run.parts[-3] == "mine"), "")
        result = typed(*(word.replace("HASH", key) for word in words[3:]))
        assert result.returncode == 0, (words, result.stdout, result.stderr)


@pytest.mark.slow
def test_other_peoples_code(typed: Command, tmp_path: Path, data_dir: Path) -> None:
    pytest.importorskip("higher")
    found = commands("other-code.md")
    assert [words[1] for words in found].count("-m") == 5
    for words in found:
        if words[1] == "-m":
            result = typed(*words[3:])
            assert result.returncode == 0, (words, result.stdout, result.stderr)
        else:
            example = [sys.executable, str(ROOT / words[1]), *words[2:]]
            subprocess.run(example, cwd=tmp_path, env=bench_environment(data_dir), check=True, timeout=300)
    assert "maml − maml-with-higher" in (tmp_path / "results" / "report" / "report.md").read_text()
