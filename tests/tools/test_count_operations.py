"""The operations from which hours are estimated: every training has its count, and it equals torch's."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bench.analysis import training_operations
from bench.analysis.claims import Claim
from bench.analysis.claims_file import published_claims
from bench.tools import count_operations


def claim(*wanted: str) -> Claim:
    return next(each for each in published_claims() if training_operations.key(each) == wanted)


def test_every_training_that_a_claim_asks_for_is_counted() -> None:
    wanted = count_operations.countable(published_claims())
    assert len(wanted) > 50 and all(training_operations.an_iteration(each) for each in wanted)


@pytest.mark.parametrize(
    "wanted",
    [
        ("omniglot-5w1s", "maml", "paper"),
        ("omniglot-5w1s", "reptile", "nichol"),
        ("omniglot-5w5s", "finetune", "chen"),
    ],
)
def test_the_count_is_that_of_the_code(wanted: tuple[str, str, str]) -> None:
    assert count_operations.operations(claim(*wanted)) == training_operations.an_iteration(claim(*wanted))


def test_a_protonet_s_count_is_that_of_its_convolutions() -> None:
    """60 ways, 1 + 5 images each; a backward pass costs two forward passes, except that the first layer needs no
    gradient for the images."""
    layers = [28 * 28 * 9 * 1 * 64, *(size * size * 9 * 64 * 64 for size in (14, 7, 3))]
    passes = 2 * 60 * 6 * (3 * sum(layers) - layers[0])
    counted = training_operations.an_iteration(claim("omniglot-5w1s", "protonet", "snell"))
    assert counted == pytest.approx(passes, rel=0.001)


@pytest.mark.full
def test_the_file_is_what_the_command_makes() -> None:
    made = subprocess.run(
        [sys.executable, "-m", "bench.tools.count_operations"], capture_output=True, text=True, check=True
    )
    assert made.stdout == training_operations.COUNTED.read_text(encoding="utf-8")
