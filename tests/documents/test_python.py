"""The sessions in docs/python.md, in order, with the outputs shown there."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

import bench
from tests.documents.test_documents import TEXTS, blocks


@pytest.mark.slow
def test_the_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = TEXTS["docs/python.md"]
    session = doctest.DocTestParser().get_doctest("\n".join(blocks(text, "pycon")), {}, "docs/python.md", None, 0)
    assert len(session.examples) > 15 and all(f"`bench.{name}(" in text for name in bench.__all__)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    runner.run(session)
    assert runner.summarize().failed == 0
