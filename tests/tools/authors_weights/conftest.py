"""The authors' weights if they are available, and small ones of our own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

REAL = Path(__file__).parents[3].parent / "shared" / "checkpoints" / "finn-miniimagenet-5w1s"


@pytest.fixture(scope="session")
def authors() -> Path:
    if not REAL.is_dir():
        pytest.skip(f"the authors' weights are not at {REAL}")
    return REAL


def variables(channels: int, filters: int, features: int, ways: int, seed: int = 0) -> dict[str, np.ndarray]:
    """The variables that the paper's code saves for a network of this shape."""
    draw = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {"model/w5": (features, ways), "model/b5": (ways,)}
    for k in range(4):
        shapes[f"model/conv{k + 1}"] = (3, 3, filters if k else channels, filters)
        shapes["model/Variable" + f"_{k}" * bool(k)] = (filters,)
        shapes[f"model/{k}/beta"] = (filters,)
    return {name: draw.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
