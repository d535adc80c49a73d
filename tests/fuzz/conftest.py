"""What the fuzz tests share, and a limit on the memory that an input may take."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest

from tests.training.test_outer_loop import make  # noqa: F401 (a fixture)

_MOST_GROWTH_KIB = 1 << 20


@pytest.fixture(scope="module", autouse=True)
def _memory() -> Iterator[None]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < _MOST_GROWTH_KIB


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> object:
    """A folder for the inputs of a module; each input replaces the previous one."""
    return tmp_path_factory.mktemp("fuzz")
