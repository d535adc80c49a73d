"""torchvision can be imported, whatever torch it was compiled for; if it can be imported anyway, nothing is changed."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path

import pytest

from bench.tools import torchvision_compat

ROOT = Path(__file__).parents[2]


def test_torchvision_is_imported_in_a_fresh_process_and_once():
    code = (
        "from bench.tools.torchvision_compat import import_torchvision as get; module = get(); assert get() is module\n"
        "import torchvision, torchvision.transforms; assert torchvision is module\n"
        "print(torchvision.transforms.functional.pil_to_tensor)"
    )
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0 and "function" in run.stdout, run.stderr


def _importing(monkeypatch, *outcomes):
    """Replaces the import: each call raises or returns the next outcome."""
    calls = iter(outcomes)

    def import_module(name):
        outcome = next(calls)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(torchvision_compat.importlib, "import_module", import_module)
    declared = []
    monkeypatch.setattr(torchvision_compat, "_declare_missing", lambda: declared.append(True))
    monkeypatch.setattr(torchvision_compat, "_forget_half_imported", lambda: None)
    return declared


def test_nothing_is_declared_where_torchvision_imports(monkeypatch):
    module = types.ModuleType("torchvision")
    declared = _importing(monkeypatch, module)
    assert torchvision_compat.import_torchvision() is module and not declared


def test_missing_operators_are_declared_before_a_second_try(monkeypatch):
    module = types.ModuleType("torchvision")
    declared = _importing(monkeypatch, RuntimeError("operator torchvision::nms does not exist"), module)
    assert torchvision_compat.import_torchvision() is module and declared


def test_another_error_is_not_hidden(monkeypatch):
    _importing(monkeypatch, RuntimeError("out of memory"))
    with pytest.raises(RuntimeError, match="out of memory"):
        torchvision_compat.import_torchvision()
