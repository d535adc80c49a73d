"""The Triton kernels without a device: in the interpreter, each against its twin."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytest.importorskip("triton", reason="Triton has packages for Linux on x86-64 alone")


def interpreted(*options: str) -> str:
    """The output of the kernels' tests in a separate process: interpreted kernels cannot be compiled, and the
    environment variable takes effect when they are imported."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *options]
    result = subprocess.run(
        [*command, "tests/networks/stacked/interpreted.py"],
        cwd=ROOT,
        env=os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.slow
def test_every_kernel_equals_its_twin_in_the_interpreter() -> None:
    assert " passed" in interpreted()


@pytest.mark.full
def test_the_other_pairs_and_a_meta_gradient_of_float32_in_the_interpreter() -> None:
    assert " passed" in interpreted("-m", "full")
